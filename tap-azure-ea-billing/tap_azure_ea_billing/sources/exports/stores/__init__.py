"""Where exported files lie: `store` says what a place can do, the other modules are the places."""
