"""The same requests to kvstore and to a real redis-server: the same replies, errors and data."""

import pytest

import bedrock
from bedrock.testing import peers
from tests.kvstore.compare import real, runner
from tests.kvstore.duel import differences


@pytest.mark.peer
@pytest.mark.parametrize("protocol", [2, 3])
def test_requests_of_any_kind_are_answered_as_redis_answers_them(tmp_path, protocol):
    try:
        theirs = peers.redis_server("--enable-debug-command", "yes")
    except peers.PeerMissing as missing:
        pytest.skip(str(missing))
    with theirs, bedrock.run(
        "kvstore", port=0, data_dir=str(tmp_path), appendonly=False,
        set=["enable-debug-command=yes"],
    ) as ours:
        assert differences(ours.port, theirs.port, seed=20 + protocol, requests=700,
                           protocol=protocol) == []


@pytest.mark.peer
def test_command_tells_the_same_facts(tmp_path):
    """COMMAND in full, but for the notes on keys, which are words and not facts."""

    def told(run):
        found = {}

        def note(entry):
            name, *facts, specs, subcommands = entry
            for spec in specs:
                for at in range(0, len(spec), 2):
                    if spec[at] == b"notes":
                        del spec[at : at + 2]
                        break
            facts = [sorted(fact) if isinstance(fact, list) else fact for fact in facts]
            found[name] = facts, specs
            for each in subcommands:
                note(each)

        for entry in run("COMMAND"):
            note(entry)
        return found

    with bedrock.run("kvstore") as ours, real(tmp_path) as theirs:
        expected, answered = told(theirs), told(runner(ours.port))
    assert answered.keys() == expected.keys()
    for name, facts in expected.items():
        assert answered[name] == facts, name
