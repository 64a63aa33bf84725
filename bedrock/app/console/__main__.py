"""`python -m bedrock.app.console`"""

import sys

from bedrock.app.console.config import COMPONENT
from bedrock.app.main import main

if __name__ == "__main__":
    sys.exit(main(COMPONENT))
