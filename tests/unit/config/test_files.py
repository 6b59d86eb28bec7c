"""Every mistake in a file or a variable is one line that names it and says what is allowed."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import pytest

from lumen_workers.bootstrap import policies
from lumen_workers.config import Settings, load
from lumen_workers.config.settings import variables
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.failures import AlarmSeverity, Policy
from lumen_workers.pipelines.failures import CLASSES, POLICIES


@pytest.fixture(autouse=True)
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configuration files; the shipped ones stand in for what it lacks."""
    for name in [name for name in os.environ if name.startswith("LUMEN_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setenv("LUMEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUMEN_CONFIGS", str(folder))
    return folder


def refused() -> str:
    with pytest.raises(ConfigError) as error:
        load()
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


LOOPS = {
    "": ["loops", "required"],
    "loops: {}": ["loops", "at least 1"],
    "[]": ["needs keys", "known: loops"],
    "loops: [1": ["line 1", "expected"],
    "loops:\n  a:\n\tb: 1": ["line 3"],
    "loops: \x00": ["not YAML"],
    "loops:\n  a:": ["loops.a", "needs keys", "rate_hz"],
    "loops:\n  a: {}\n  a: {}": ["line 3", "'a' stands twice"],
    "loops:\n  a: {rate_hz: 5, rate_hz: 4}": ["line 2", "'rate_hz' stands twice"],
    "{[a]: 1}": ["line 1", "key"],
    "loops: {1: {}}": ["loops.1", "string"],
    "loops: {'../x': {}}": ["loops.../x", "pattern"],
    "loops: !!python/object:os.system {}": ["line 1", "constructor"],
    "loops:\n  a: {rate: 5}": ["loops.a.rate", "unknown key", "did you mean rate_hz"],
    "loops:\n  a: {rate_hz: 7}": ["loops.a.rate_hz", "1, 2, 4, 5, 10, 20, 25, 40, 50", "not 7"],
    "loops:\n  a: {rate_hz: 5.5}": ["loops.a.rate_hz", "integer", "5.5"],
    "loops:\n  a: {rate_hz: true}": ["loops.a.rate_hz", "integer", "True"],
    "loops:\n  a: {rate_hz: '5'}": ["loops.a.rate_hz", "integer", "'5'"],
    "loops:\n  a: {source: 5}": ["loops.a.source", "string", "not 5"],
    "loops:\n  a: {options: 5}": ["loops.a.options", "dictionary"],
    "loops:\n  a: {region: mars}": ["loops.a.region", "unknown region 'mars'", "us-west-2"],
    "loops:\n  a: {rules: {x: {initial: 2, min: 0, max: 1}}}": ["loops.a.rules.x", "min <= initial <= max", "0 <= 2"],
    "loops:\n  a: {rules: {x: {initial: 0, min: 1, max: -1}}}": ["loops.a.rules.x", "min <= initial <= max"],
    "loops:\n  a: {rules: {x: {initial: .nan, min: 0, max: 1}}}": ["loops.a.rules.x.initial", "finite"],
    "loops:\n  a: {rules: {x: {initial: much, min: 0, max: 1}}}": ["loops.a.rules.x.initial", "number", "'much'"],
    "loops:\n  a: {rules: {x: {min: 0, max: 1}}}": ["loops.a.rules.x.initial", "required"],
    "loops:\n  a: {rules: {x: {initial: 0, min: 0, max: 1, step: 1}}}": ["loops.a.rules.x.step", "known: initial, max"],
}
LUMEN = {
    "zon: UTC": ["zon", "did you mean zone"],
    "zone: Mars": ["zone", "'Mars'", "such as Asia/Seoul"],
    "zone: ../../etc/passwd": ["zone"],
    "locale: fr": ["locale", "'en' or 'ko'"],
    "locale: no": ["locale", "'en' or 'ko'", "False"],
    "regions: []": ["regions", "at least 1"],
    "regions: a": ["regions", "tuple"],
    "regions: [a, a]": ["regions", "a stands twice"],
    "regions: [A]": ["regions.0", "'A'"],
    "regions: [1]": ["regions.0", "string"],
    "roots: [abc]": ["roots", "'abc'"],
    f"roots: [{'a' * 64}, {'a' * 64}]": ["roots", "stands twice"],
    "peers: {us-west-2: abc}": ["peers.us-west-2", "'abc'"],
    f"peers: {{mars: {'a' * 64}}}": ["peers", "unknown region mars", "us-west-2"],
    "peers: {us-west-2: []}": ["peers.us-west-2"],
    f"peers: {{us-west-2: [{'a' * 64}, {'a' * 64}]}}": ["peers.us-west-2", "stands twice"],
    "signers: {mars: {command: [sign], public_key: p.pem}}": ["signers", "unknown region mars"],
    "signers: {us-west-2: {}}": ["signers.us-west-2", "give command (with public_key) or pkcs11"],
    "signers: {us-west-2: {command: [sign]}}": ["signers.us-west-2", "command needs public_key"],
    "signers: {us-west-2: {command: [], public_key: p.pem}}": ["signers.us-west-2.command", "at least 1"],
    "signers: {us-west-2: {command: sign, public_key: p.pem}}": ["signers.us-west-2.command", "tuple"],
    "signers: {us-west-2: {command: [sign], public_key: p, limit_s: 0}}": ["limit_s", "above 0 and at most 120"],
    "signers: {us-west-2: {command: [sign], public_key: p, keep_env: [LUMEN_KEY_PASS]}}": [
        "keep_env.0",
        "not handed on",
    ],
    "signers: {us-west-2: {command: [sign], public_key: p, keep_env: [A=B]}}": ["keep_env.0", "'A=B'"],
    "signers: {us-west-2: {pkcs11: {module: m, token: t}}}": ["signers.us-west-2.pkcs11.key", "required"],
    "signers: {us-west-2: {pkcs11: {module: m, token: t, key: k, pin: x}}}": ["signers.us-west-2.pkcs11.pin"],
    "signers: {us-west-2: {pkcs11: {module: m, token: t, key: k, pin_env: a}}}": ["pkcs11.pin_env", "'a'"],
    "signers: {us-west-2: {limit_s: 5, pkcs11: {module: m, token: t, key: k}}}": ["limit_s and keep_env go with"],
}
ARCHIVE = {
    "options: {tar_compression: bz2}": ["options.tar_compression", "'gz' or 'xz'", "'bz2'"],
    "options: {make_tarball: 'yes'}": ["options.make_tarball", "boolean"],
    "options: {make_tarball: false, include_plain_copy: false}": ["options", "both off"],
    "options: {checksum: md5}": ["options.checksum", "'sha256'"],
    "meta: {label: 2026-01-01}": ["meta.label", "string"],
}
RERUNS = {
    "netwrk: {}": ["netwrk", "did you mean network"],
    "network:": ["network", "needs keys", "backoff_s"],
    "network: {rerun: 1}": ["network.rerun", "did you mean reruns"],
    "network: {transient: false}": ["network.transient", "unknown key"],
    "network: {reruns: 11}": ["network.reruns", "at least 0 and at most 10", "not 11"],
    "network: {reruns: true}": ["network.reruns", "not True"],
    "network: {backoff_s: []}": ["network.backoff_s", "needs 1 to 10 values, not 0"],
    "network: {backoff_s: 5}": ["network.backoff_s", "not 5"],
    "network: {backoff_s: [5, -1]}": ["network.backoff_s.1", "greater than or equal to 0", "not -1"],
    "network: {backoff_s: [.inf]}": ["network.backoff_s.0", "finite"],
    "build: {ticket: 'yes'}": ["build.ticket", "boolean"],
    "build: {severity: wake}": ["build.severity", "'page' or 'ticket'", "'wake'"],
    "unknown: {budget: -1}": ["unknown.budget", "at least 0 and at most 10000", "not -1"],
}
CASES = [
    (name, text, said)
    for name, cases in (
        ("loops.yaml", LOOPS),
        ("lumen.yaml", LUMEN),
        ("archive.yaml", ARCHIVE),
        ("reruns.yaml", RERUNS),
    )
    for text, said in cases.items()
]


@pytest.mark.parametrize(("name", "text", "said"), CASES, ids=[f"{name}-{text[:30]!r}" for name, text, _ in CASES])
def test_a_mistake_in_a_file(configs: Path, name: str, text: str, said: list[str]) -> None:
    (configs / name).write_text(text)
    told = refused()
    assert told.startswith(str(configs / name))
    for word in said:
        assert word in told.removeprefix(str(configs / name))


def test_a_file_that_cannot_be_read(configs: Path) -> None:
    (configs / "loops.yaml").write_bytes(b"loops: \xff\xfe")
    assert "cannot be read" in refused()
    (configs / "loops.yaml").unlink()
    (configs / "loops.yaml").mkdir()
    assert "cannot be read" in refused()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("LUMEN_LEASE_S", "1", ["at least 2 and at most 600", "'1'"]),
        ("LUMEN_LEASE_S", "nan", ["at least 2"]),
        ("LUMEN_LEASE_S", "long", ["number", "'long'"]),
        ("LUMEN_EFFECT_PRE_S", "1", ["above 1 and at most 3600"]),
        ("LUMEN_EFFECT_MIN_SAMPLES", "2000000", ["at most 1000000"]),
        ("LUMEN_EFFECT_IQR", "perhaps", ["boolean"]),
        ("LUMEN_QB_RISK_GOOD", "0.5", ["at least -1 and at most 0"]),
        ("LUMEN_LOCALE", "fr", ["'en' or 'ko'"]),
        ("LUMEN_ZONE", "Mars", ["'Mars'", "Asia/Seoul"]),
        ("LUMEN_REGION", "mars", ["among the regions", "us-west-2"]),
        ("LUMEN_REGION", "Bad Name", ["'Bad Name'"]),
        ("LUMEN_REGIONS", ",", ["at least 1"]),
        ("LUMEN_REGIONS", "a,a", ["a stands twice"]),
        ("LUMEN_CONFIGS", "/nowhere", ["not a folder"]),
        ("LUMEN_PIPELINE_VERSION", "v1", ["'v1'"]),
    ],
)
def test_a_mistake_in_a_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: list[str]) -> None:
    monkeypatch.setenv(name, value)
    told = refused()
    for word in [name, *said]:
        assert word in told


def settings_of(configs: Path, text: str) -> Settings:
    (configs / "loops.yaml").write_text(text)
    return load()


def test_what_is_not_given_has_its_default(configs: Path) -> None:
    (configs / "lumen.yaml").write_text("")
    (configs / "archive.yaml").write_text("")
    settings = settings_of(configs, "loops: {main: {}}")
    assert settings.regions == ("ap-northeast-2", "us-west-2")
    assert (settings.zone.key, settings.locale, settings.region) == ("Asia/Seoul", "en", "ap-northeast-2")
    assert (settings.loops["main"].source, settings.loops["main"].rate_hz) == ("host", 5)
    assert settings.store_url == f"sqlite:///{settings.home}/lumen.db"
    assert settings.archive_root == settings.home / "archive"


def test_the_shipped_files_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMEN_CONFIGS")
    assert set(load().loops) == {"main", "demo"}


def test_a_class_of_failures_is_treated_as_the_file_says_and_else_as_the_table(configs: Path) -> None:
    (configs / "reruns.yaml").write_text(
        "network: {reruns: 5, backoff_s: [1, 60]}\nbuild: {ticket: false, severity: page, budget: 0}\n"
    )
    found = policies(load())
    assert found["network"] == replace(POLICIES["network"], reruns=5, backoff_s=(1.0, 60.0))
    assert found["build"] == replace(POLICIES["build"], ticket=False, severity=AlarmSeverity.PAGE, budget=0)
    assert {name for name in CLASSES if found[name] != POLICIES[name]} == {"network", "build"}


def test_the_shipped_reruns_are_the_table_and_spell_all_of_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LUMEN_CONFIGS")
    settings = load()
    assert policies(settings) == POLICIES
    changeable = {field.name for field in fields(Policy)} - {"transient"}
    assert {name: set(settings.reruns.changes(name)) for name in CLASSES} == dict.fromkeys(CLASSES, changeable)


def test_a_file_without_a_class_changes_nothing(configs: Path) -> None:
    (configs / "reruns.yaml").write_text("# nothing\n")
    assert policies(load()) == POLICIES


def test_variables_win_over_files_and_empty_ones_do_not_count(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (configs / "lumen.yaml").write_text("{zone: UTC, locale: ko, regions: [x]}")
    monkeypatch.setenv("LUMEN_ZONE", "Asia/Tokyo")
    monkeypatch.setenv("LUMEN_LOCALE", "")
    monkeypatch.setenv("LUMEN_REGIONS", "a, b")
    settings = load()
    assert (settings.zone.key, settings.locale, settings.regions) == ("Asia/Tokyo", "ko", ("a", "b"))


def test_the_passphrase_of_keys_has_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_SIGNER_PASS", "of the signer")
    secret = load().env.key_pass
    assert secret is not None
    assert secret.get_secret_value() == "of the signer"
    monkeypatch.setenv("LUMEN_KEY_PASS", "of the key")
    secret = load().env.key_pass
    assert secret is not None
    assert secret.get_secret_value() == "of the key"
    assert {"LUMEN_KEY_PASS", "LUMEN_SIGNER_PASS"} <= set(variables())


def test_peers_have_one_fingerprint_or_several(configs: Path) -> None:
    (configs / "lumen.yaml").write_text(f"peers: {{us-west-2: {'a' * 64}, ap-northeast-2: [{'b' * 64}, {'c' * 64}]}}")
    assert load().lumen.peers == {"us-west-2": "a" * 64, "ap-northeast-2": ("b" * 64, "c" * 64)}


def test_numbers_without_a_point_and_merged_keys_are_read(configs: Path) -> None:
    settings = settings_of(
        configs, "loops:\n  a: &a\n    rate_hz: 10\n    rules: {r: {initial: 1e-3, min: 0, max: 1}}\n  b: {<<: *a}\n"
    )
    assert settings.loops["b"].rate_hz == 10
    assert settings.loops["a"].rules["r"].initial == 0.001


def test_the_digest_knows_what_the_bytes_depend_on_and_nothing_else(
    configs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    digest = load().config_digest
    for name, value in {
        "LUMEN_HOME": str(tmp_path / "elsewhere"),
        "LUMEN_REGION": "us-west-2",
        "LUMEN_KEY_PASS": "hunter2",
        "LUMEN_STORE_URL": "postgresql://x/y",
        "LUMEN_LEASE_S": "20",
    }.items():
        monkeypatch.setenv(name, value)
        assert load().config_digest == digest, name
    for name, value in {"LUMEN_LOCALE": "ko", "LUMEN_ZONE": "UTC", "LUMEN_EFFECT_POST_S": "20"}.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert load().config_digest != digest, name
    (configs / "reruns.yaml").write_text("network: {reruns: 5}")
    assert load().config_digest == digest
    (configs / "archive.yaml").write_text("meta: {label: other}")
    assert load().config_digest != digest
    assert "hunter2" not in repr(load())
