"""The reference of what is spoken and what can be set, made from the tables themselves.

    python -m kafkalite.reference > docs/reference/kafkalite-api.md
"""

from __future__ import annotations

import inspect

from kafkalite.apis import APIS
from kafkalite.handlers import HANDLERS
from kafkalite.schema import Api
from kafkalite.topic_config import OPTIONS, Option

HEAD = """# What kafkalite speaks

Made by `python -m kafkalite.reference` from the tables that the codecs, too, are made of
(`kafkalite/apis`).  An older version than those served is advertised where old clients take a
range that begins at 0 as a sign of a feature, as Kafka 4 does; it is refused like any other.

| key | request | versions | advertised from | flexible from | |
|--:|---|---|--:|--:|---|
"""
OPTIONS_HEAD = """
## Topic options

| name | type | default | broker's option | |
|---|---|---|---|---|
"""


def purpose(key: int) -> str:
    """What its handler says of itself first; a compiled one says its signature before."""
    lines = inspect.cleandoc(HANDLERS[key].__doc__ or "").splitlines()
    return next(line for line in lines if line and " -> " not in line)


def api_line(api: Api) -> str:
    """One key."""
    lowest = api.oldest if api.advertises is None else api.advertises
    flexible = "-" if api.flexible is None else api.flexible
    cells = (api.key, api.name, api.serves, lowest, flexible, purpose(api.key))
    return f"| {' | '.join(map(str, cells))} |\n"


def option_line(option: Option) -> str:
    """One option."""
    return (
        f"| `{option.name}` | {option.type.name.lower()} | {option.default} | "
        f"{option.broker and f'`{option.broker}`'} | {option.help} |\n"
    )


def page() -> str:
    """The whole page."""
    apis = "".join(api_line(api) for api in APIS.values())
    return HEAD + apis + OPTIONS_HEAD + "".join(option_line(o) for o in OPTIONS.values())


if __name__ == "__main__":
    print(page(), end="")
