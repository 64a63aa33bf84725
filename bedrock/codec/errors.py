"""What a decoder raises: the bytes are wrong, or they ask for more than they may."""


class Malformed(ValueError):
    """The bytes do not follow their format."""


class TooLarge(Malformed):
    """A declared or real size is above the caller's limit; nothing of that size was allocated."""
