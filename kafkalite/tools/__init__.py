"""The command-line tools people know from Apache Kafka, under their names and with their flags.

    kafka-topics.sh             topics.py     kafkalite topics
    kafka-configs.sh            configs.py    kafkalite configs
    kafka-acls.sh               acls.py       kafkalite acls
    kafka-consumer-groups.sh    groups.py     kafkalite consumer-groups
    kafka-console-producer.sh   console.py    kafkalite console-producer
    kafka-console-consumer.sh   console.py    kafkalite console-consumer
    kafka-dump-log.sh           dump.py       kafkalite dump-log
                                kcat.py       kafkalite produce, kafkalite tail

They print what Kafka's print, so that scripts which read it keep working.  All but dump-log talk to
a running broker through `kafkalite.client`.
"""

# Verb of `kafkalite` -> "module:function" in this package.
TOOLS = {
    "topics": "topics:main",
    "configs": "configs:main",
    "acls": "acls:main",
    "consumer-groups": "groups:main",
    "console-producer": "console:produce",
    "console-consumer": "console:consume",
    "dump-log": "dump:main",
    "produce": "kcat:produce",
    "tail": "kcat:tail",
}


def run(verb: str, argv: list[str]) -> int:
    """Run a tool and return its exit code."""
    from importlib import import_module

    module, _, function = TOOLS[verb].partition(":")
    return getattr(import_module(f"{__name__}.{module}"), function)(argv)
