"""Where values come from, and what is said of those that cannot be used."""

import ssl

import pytest
import trustme
from echo.config import COMPONENT, EchoConfig

from bedrock.app.config import ConfigError, resolve


def settings(flags=None, environ=None, text=None, tmp_path=None):
    if text is not None:
        (tmp_path / "bedrock.toml").write_text(text)
    return resolve(COMPONENT, flags, environ or {})


def test_without_anything_the_defaults_hold():
    made = settings()
    assert made.config == EchoConfig()
    assert set(made.origins.values()) == {"default"}


def test_file_then_environment_then_flags_win(tmp_path):
    text = "[echo]\nport = 1\nsecond_port = 1\nratio = 1\nmode = 'fancy'"
    environ = {"BEDROCK_ECHO_PORT": "2", "BEDROCK_ECHO_SECOND_PORT": "2"}
    made = settings({"port": "3"}, environ, text, tmp_path)
    assert (made.config.port, made.config.second_port, made.config.ratio) == (3, 2, 1.0)
    assert made.origins["port"] == "flag --port"
    assert made.origins["second_port"] == "env BEDROCK_ECHO_SECOND_PORT"
    assert made.origins["mode"] == "file bedrock.toml"
    assert made.origins["host"] == "default"


def test_a_file_named_by_flag_or_environment_is_read_instead(tmp_path):
    other = tmp_path / "other.toml"
    other.write_text("[echo]\nport = 9")
    assert settings({"config": str(other)}).config.port == 9
    assert settings(environ={"BEDROCK_CONFIG": str(other)}).config.port == 9


def test_text_becomes_the_fields_type():
    environ = {
        "BEDROCK_ECHO_SHOUT": "yes",
        "BEDROCK_ECHO_RATIO": "0.25",
        "BEDROCK_ECHO_NAMES": "a, b",
    }
    config = settings(environ=environ).config
    assert (config.shout, config.ratio, config.names) == (True, 0.25, ["a", "b"])


@pytest.mark.parametrize(
    "flags, message",
    [
        ({"port": "many"}, "flag --port: port wants a whole number, not 'many'"),
        ({"mode": "odd"}, "mode is one of plain, fancy"),
        ({"shout": "perhaps"}, "shout wants true or false"),
        ({"config": "absent.toml"}, "absent.toml: No such file"),
    ],
)
def test_a_bad_value_is_named_with_its_origin(flags, message):
    with pytest.raises(ConfigError, match=message):
        settings(flags)


@pytest.mark.parametrize(
    "text, message",
    [
        ("[echo]\nprot = 1", "no option 'prot'; did you mean 'port'"),
        ("[echo]\nport = '1a'", "wants a whole number"),
        ("[echo]\nport = true", "wants a whole number"),
        ("[echo]\nmode = 1", "wants text"),
        ("echo = 1", "echo is not a table"),
        ("[echo", "bedrock.toml: "),
    ],
)
def test_a_bad_file_is_named(text, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        settings(text=text, tmp_path=tmp_path)


def test_the_password_is_the_first_line_of_its_file(tmp_path):
    (tmp_path / "word").write_text("open sesame\nmore")
    assert EchoConfig(password_file=str(tmp_path / "word")).password() == "open sesame"
    assert EchoConfig().password() == ""
    (tmp_path / "empty").touch()
    for name in ("empty", "absent"):
        with pytest.raises(ConfigError, match=name):
            EchoConfig(password_file=str(tmp_path / name)).password()


def test_tls_wants_a_certificate_and_speaks_1_2_at_least(tmp_path):
    leaf = trustme.CA().issue_cert("localhost")
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "leaf.pem"))
    context = EchoConfig(tls_cert=str(tmp_path / "leaf.pem")).tls()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert EchoConfig().tls() is None
    (tmp_path / "junk.pem").write_text("junk")
    for config in (EchoConfig(tls_key="key.pem"), EchoConfig(tls_cert=str(tmp_path / "junk.pem"))):
        with pytest.raises(ConfigError):
            config.tls()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1"])
def test_loopback_needs_no_password(host):
    EchoConfig(host=host).refuse_exposure()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "", "example.com"])
def test_beyond_loopback_a_password_or_insecure_is_needed(host):
    with pytest.raises(ConfigError, match="--password-file, or --insecure"):
        EchoConfig(host=host).refuse_exposure()
    EchoConfig(host=host, insecure=True).refuse_exposure()
    EchoConfig(host=host, password_file="word").refuse_exposure()
