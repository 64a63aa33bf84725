import sys

from bedrock.app.main import main as app_main
from echo.config import COMPONENT


def main(argv=None):
    return app_main(COMPONENT, argv)


if __name__ == "__main__":
    sys.exit(main())
