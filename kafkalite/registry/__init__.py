"""A schema registry beside a broker: Confluent's REST API, kept in the topic `_schemas`.

    config.py    options; `kafkalite schema-registry`
    server.py    the listener; loads `_schemas` before it answers
    routes.py    the REST API
    store.py     subjects, versions, ids, levels, modes: what the records of the topic add up to
    journal.py   the topic: read at the start, appended to before anything is answered
    schemas.py   Avro and JSON Schema: parsed, in one form, compared
    json_compat.py   when does one JSON Schema accept all that another does?
"""
