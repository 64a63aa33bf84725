"""Access control: rules say what they mean, and they hold wherever a command runs."""

import random

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

import bedrock
import kvstore
from bedrock.testing import peers
from kvstore.acl import BadRule, User
from kvstore.categories import CATEGORIES
from kvstore.commands import ROWS

NAMES = sorted(ROWS)
RULES = st.one_of(
    st.sampled_from([b"on", b"off", b"nopass", b"resetpass", b"allkeys", b"resetkeys", b"reset",
                     b"allchannels", b"resetchannels", b"allcommands", b"nocommands",
                     b"clearselectors", b"sanitize-payload", b">secret", b"<secret"]),
    st.builds(lambda sign, name: (sign + name).encode(), st.sampled_from("+-"),
              st.sampled_from(NAMES)),
    st.builds(lambda sign, name: f"{sign}@{name}".encode(), st.sampled_from("+-"),
              st.sampled_from(CATEGORIES)),
    st.builds(lambda mark, glob: mark + glob, st.sampled_from([b"~", b"%R~", b"%W~", b"&"]),
              st.sampled_from([b"a*", b"b?", b"[cd]", b"*x"])),
    st.sampled_from([b"(~s* +get)", b"(%R~t* +@all -set)"]),
)  # fmt: skip


def applied(rules):
    """A user after the rules that can be applied."""
    user = User(b"u")
    for rule in rules:
        try:
            user.change([rule])
        except BadRule:
            pass
    return user


@given(st.lists(RULES, max_size=12))
def test_what_is_shown_makes_the_same_user(rules):
    user = applied(rules)
    again = User(b"u")
    plain, *selectors = user.show().split(b" (")
    again.change(plain.split())
    again.change([b"(" + selector for selector in selectors])
    assert again.show() == user.show()
    for mine, other in zip(user.selectors, again.selectors, strict=True):
        assert mine.commands == other.commands and mine.patterns == other.patterns


@pytest.mark.parametrize("rule, why", [
    (b"+nosuch", "Unknown command or category"),
    (b"-@nosuch", "Unknown command or category"),
    (b"#123", "password hash must be exactly 64"),
    (b"<unset", "does not exist"),
    (b"%X~k", "Syntax error"),
    (b"+config|get|x", "first-arg of a subcommand"),
    (b"(+get", "Unmatched parenthesis"),
    (b"~a b", "Syntax error"),
])  # fmt: skip
def test_a_bad_rule_is_named_and_changes_nothing(rule, why):
    user = User(b"u")
    user.change([b"on", b"~k*", b"+get"])
    before = user.show()
    with pytest.raises(BadRule, match=why):
        user.change([b"+set", rule])
    assert user.show() == before


@pytest.fixture
def server():
    with bedrock.run("kvstore") as running:
        yield running


def client_of(server, name, password="pw"):
    return redis.Redis(port=server.port, username=name, password=password, decode_responses=True)


def test_requests_transactions_and_scripts_are_held_to_the_rules(server):
    admin = redis.Redis(port=server.port, decode_responses=True)
    admin.execute_command("ACL", "SETUSER", "bob", "on", ">pw", "~mine:*", "%R~all:*", "+@all",
                          "-@dangerous", "+multi", "+exec")
    admin.mset({"all:1": "x", "other": "y"})
    with client_of(server, "bob") as bob:
        assert bob.set("mine:1", "v") and bob.get("all:1") == "x"
        for refused in (("GET", "other"), ("SET", "all:1", "v"), ("COPY", "all:1", "other"),
                        ("EVAL", "return redis.call('get', 'other')", "0")):
            with pytest.raises(redis.ResponseError, match=r"permissions|can't access"):
                bob.execute_command(*refused)
        with pytest.raises(redis.exceptions.NoPermissionError, match=r"'config\|get' command"):
            bob.config_get("*")
        pipe = bob.pipeline()
        pipe.set("mine:2", "v").get("other")
        with pytest.raises(redis.ResponseError, match="permissions"):
            pipe.execute()
        assert bob.get("mine:2") is None
    assert [entry["username"] for entry in admin.acl_log(2)] == ["bob", "bob"]
    with pytest.raises(redis.exceptions.AuthenticationError):
        client_of(server, "bob", "wrong").ping()


def test_listeners_are_cut_off_when_they_may_hear_no_more(server):
    admin = redis.Redis(port=server.port)
    admin.execute_command("ACL", "SETUSER", "eve", "on", "nopass", "+@all", "&news", "&old")
    eve = client_of(server, "eve")
    listener = eve.pubsub()
    listener.subscribe("news")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    admin.execute_command("ACL", "SETUSER", "eve", "resetchannels", "&news")
    assert admin.publish("news", "1") == 1
    admin.execute_command("ACL", "SETUSER", "eve", "resetchannels", "&other")
    assert admin.publish("news", "2") == 0


def test_the_acl_file_is_read_written_and_its_bad_lines_are_named(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    file = folder / "users.acl"
    file.write_text("user alice on nopass ~a* +get\n\nuser default on nopass ~* &* +@all\n")
    with bedrock.run("kvstore", data_dir=str(folder), set=["aclfile=users.acl"]) as server:
        admin = redis.Redis(port=server.port, decode_responses=True)
        assert admin.execute_command("ACL", "USERS") == ["alice", "default"]
        admin.execute_command("ACL", "SETUSER", "carol", "on", ">pw", "+@read")
        assert admin.execute_command("ACL", "SAVE")
        saved = file.read_text()
        assert "user carol on #" in saved and "pw" not in saved.replace("nopass", "")
        file.write_text("user alice on +get\nuser alice off\nadmin x\nuser b ~ +zz\n")
        with pytest.raises(redis.ResponseError) as caught:
            admin.execute_command("ACL", "LOAD")
        for part in ("Duplicate user 'alice'", "users.acl:3 should start", "users.acl:4", "+zz"):
            assert part in str(caught.value)
        assert admin.execute_command("ACL", "USERS") == ["alice", "carol", "default"]


@pytest.mark.peer
def test_verdicts_are_those_of_redis():
    """ACL DRYRUN of every command for users of random rules."""
    chance = random.Random(7)
    with peers.redis_server() as peer:
        real = redis.Redis(port=peer.port, decode_responses=True)
        real.response_callbacks.clear()
        ours = kvstore.connect()
        told = real.execute_command("COMMAND", "LIST")
        known = [name for name in NAMES if name in told]
        for _ in range(25):
            rules = chance.choices(
                [f"{sign}@{name}" for sign in "+-" for name in CATEGORIES]
                + [f"{sign}{name}" for sign in "+-" for name in known]
                + ["+@all", "-@all", "~a*", "%R~b*", "%W~c*", "&n*", "resetkeys"], k=6)
            for run in (real.execute_command, ours.execute):
                run("ACL", "SETUSER", "u", "reset", *rules)
            for name in known:
                arity = abs(ROWS[name].arity)
                words = name.split("|") + chance.choices(["a1", "b1", "c1", "1", "news"], k=arity)
                if ROWS[name].arity > 0:
                    words = words[:arity]
                verdicts = []
                for run in (real.execute_command, ours.execute):
                    try:
                        verdict = run("ACL", "DRYRUN", "u", *words)
                    except (redis.ResponseError, kvstore.ReplyError) as error:
                        verdict = f"error {str(error).removeprefix('ERR ')[:20]}"
                    shown = verdict if isinstance(verdict, str) else bytes(verdict).decode()
                    verdicts.append(shown)
                assert verdicts[0] == verdicts[1], (rules, words)
