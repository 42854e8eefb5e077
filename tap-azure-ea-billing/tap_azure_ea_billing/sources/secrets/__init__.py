"""Secrets: where their settings, files and variables are, decrypting them, and hiding them in text for people."""
