"""The page of a server: its keys, what is slow, how much goes on, what is big."""
