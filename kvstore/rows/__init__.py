"""The rows of the command table (kvstore.commands), a module for each family of groups."""
