"""What all tests share: Hypothesis without a clock, since the machine may be busy."""

from hypothesis import settings

settings.register_profile("bedrock", deadline=None)
settings.load_profile("bedrock")
