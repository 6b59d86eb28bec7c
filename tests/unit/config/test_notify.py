"""Who is told: from two files and a few variables; a mistake in any of them is one line without a secret."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lumen_workers.config import load
from lumen_workers.domain.errors import ConfigError
from lumen_workers.domain.recipients import Contacts, Mailbox, MailServer, Recipient, WebhookTarget

SECRET = "hush-hush-1234"
MAIL = {"SMTP_HOST": "mail.example.org", "SMTP_FROM": "lumen@example.org"}
LOG = Recipient(name="log", channel="log")


@pytest.fixture(autouse=True)
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configuration files; the shipped ones stand in for what it lacks."""
    for name in [name for name in os.environ if name.startswith(("LUMEN_", "SMTP_", "SLACK_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "configs"
    folder.mkdir()
    monkeypatch.setenv("LUMEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LUMEN_CONFIGS", str(folder))
    return folder


def contacts(configs: Path, notify: str = "", distribution: str = "") -> Contacts:
    (configs / "notify.yaml").write_text(notify)
    (configs / "lumen_distribution.yaml").write_text(distribution)
    return load().contacts


def names(found: Contacts) -> dict[str, list[str]]:
    routes = {**found.routes.alarms, "report": found.routes.report, "everyone": found.routes.everyone}
    return {key: [recipient.name for recipient in recipients] for key, recipients in routes.items()}


def put_secret(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text)
    path.chmod(mode)


def test_everything_goes_to_the_log_unless_said_otherwise(configs: Path) -> None:
    for found in (load().contacts, contacts(configs)):
        assert found == Contacts(routes=found.routes)
        assert found.routes.everyone == (LOG,)
        assert names(found) == {"page": ["log"], "ticket": ["log"], "report": ["log"], "everyone": ["log"]}


def test_a_variable_alone_adds_a_recipient(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_ALERT_URL", f"https://hooks.example.org/{SECRET}")
    monkeypatch.setenv("LUMEN_ALERT_SECRET", "signing")
    monkeypatch.setenv("LUMEN_ALERT_TOKEN", "bearer")
    monkeypatch.setenv("SLACK_WEBHOOK", f"https://hooks.slack.example/services/{SECRET}")
    found = load().contacts
    assert names(found) == {
        "page": ["log", "alert-webhook", "slack-webhook"],
        "ticket": ["log", "alert-webhook"],
        "report": ["log"],
        "everyone": ["log", "alert-webhook", "slack-webhook"],
    }
    assert found.webhooks == {
        "alert-webhook": WebhookTarget(url=f"https://hooks.example.org/{SECRET}", secret="signing", token="bearer"),
        "slack-webhook": WebhookTarget(url=f"https://hooks.slack.example/services/{SECRET}", slack=True),
    }
    assert [recipient.address for recipient in found.routes.everyone] == [
        "",
        "https://hooks.example.org",
        "https://hooks.slack.example",
    ]


def test_a_recipient_that_uses_the_variable_takes_its_place(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_ALERT_URL", "https://hooks.example.org/x")
    monkeypatch.setenv("SLACK_WEBHOOK", "https://hooks.slack.example/y")
    recipients = "recipients: {ops: {channel: webhook}, chat: {channel: webhook, kind: slack}}"
    found = contacts(configs, f"{recipients}\nalarms: {{page: [ops], ticket: [chat]}}\nreport: []")
    assert names(found) == {"page": ["ops"], "ticket": ["chat"], "report": [], "everyone": ["log", "ops", "chat"]}


def test_secrets_of_files(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("url", "secret", "token"):
        put_secret(configs / name, f"https://x.example.org/{name}\n" if name == "url" else f"{name}-of-file\n")
    monkeypatch.setenv("LUMEN_ALERT_URL", "https://hooks.example.org/x")
    monkeypatch.setenv("LUMEN_ALERT_SECRET", "signing")
    monkeypatch.setenv("LUMEN_ALERT_TOKEN", "bearer")
    found = contacts(
        configs,
        "recipients:\n"
        "  a: {channel: webhook, url_file: url, secret_file: secret, token_file: token}\n"
        "  b: {channel: webhook, url: 'https://b.example.org/'}\n"
        "  c: {channel: webhook, url_file: url, kind: slack}\n"
        "  d: {channel: webhook}\n",
    )
    assert found.webhooks == {
        "a": WebhookTarget(url="https://x.example.org/url", secret="secret-of-file", token="token-of-file"),
        "b": WebhookTarget(url="https://b.example.org/", secret="signing"),
        "c": WebhookTarget(url="https://x.example.org/url", slack=True),
        "d": WebhookTarget(url="https://hooks.example.org/x", secret="signing", token="bearer"),
    }


def test_readers_of_the_report_and_the_mail_server(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**MAIL, "SMTP_FROM": "루멘 <lumen@example.org>", "SMTP_USER": "u", "SMTP_PASS": SECRET}.items():
        monkeypatch.setenv(name, value)
    found = contacts(
        configs,
        "recipients: {oncall: {channel: email, address: oncall@example.org}}\nalarms: {page: [oncall, 독자]}",
        "email_targets: [{name: 독자, address: readers@example.org}, {name: Board, address: b@example.org}]",
    )
    assert names(found) == {
        "page": ["oncall", "독자"],
        "ticket": ["log"],
        "report": ["log", "독자", "Board"],
        "everyone": ["log", "oncall", "독자", "Board"],
    }
    assert found.mailboxes["독자"] == Mailbox(name="독자", address="readers@example.org")
    assert found.mail == MailServer(
        host="mail.example.org",
        port=587,
        sender=Mailbox(name="루멘", address="lumen@example.org"),
        user="u",
        password=SECRET,
    )
    assert SECRET not in repr(load())


HOOK = "recipients: {a: {channel: webhook%s}}"
NOTIFY = {
    "alarm: {}": ["alarm: unknown key", "did you mean alarms"],
    "alarms: {pages: [log]}": ["alarms.pages: unknown key", "page, ticket"],
    "alarms: {page: []}": ["alarms.page: needs at least 1"],
    "alarms: {page: log}": ["alarms.page", "tuple"],
    "alarms: {page: [log, log]}": ["alarms.page", "log stands twice"],
    "alarms: {ticket: [oncall]}": ["alarms.ticket: unknown recipient 'oncall'; known: log"],
    "report: [readers]": ["report: unknown recipient 'readers'"],
    "recipients: {A b: {channel: log}}": ["recipients.A b", "pattern"],
    "recipients: {a: {channel: sms}}": ["recipients.a.channel", "'log', 'webhook' or 'email'", "'sms'"],
    "recipients: {a: {}}": ["recipients.a.channel: is required"],
    "recipients: {a: {channel: email}}": ["recipients.a", "needs address"],
    "recipients: {a: {channel: log, address: a@example.org}}": ["recipients.a", "log does not take address"],
    "recipients: {a: {channel: email, address: a@b.org, url: x}}": ["email does not take url; it takes address"],
    "recipients: {log: {channel: webhook, url: 'https://a.org'}}": ["recipients.log", "always the log"],
    HOOK % "": ["recipients.a: needs url, url_file or the variable LUMEN_ALERT_URL"],
    HOOK % ", kind: slack": ["recipients.a: needs url_file or the variable SLACK_WEBHOOK"],
    HOOK % ", kind: slack, url: 'https://a.org'": ["kind slack does not take url"],
    HOOK % ", kind: teams": ["recipients.a.kind", "'lumen' or 'slack'"],
    HOOK % ", url: 'https://a.org', url_file: x": ["give url or url_file, not both"],
    HOOK % ", secret: abc": ["recipients.a.secret: unknown key", "secret_file"],
    HOOK % ", url_file: nosuch": ["recipients.a.url_file", "nosuch cannot be read"],
    HOOK % ", url: 'http://a.org', token_file: token": ["recipients.a", "over https only"],
    **{
        HOOK % f", url: '{url}'": ["recipients.a.url: is an http or https URL"]
        for url in ("", "a.org", "ftp://a.org", "https://", "https://a b.org", "https://a.org:0", "https://[::1", "é")
    },
    HOOK % f", url: 'https://user:{SECRET}@a.org'": ["recipients.a.url", "without user and password"],
    **{
        f"recipients: {{a: {{channel: email, address: {address}}}}}": ["recipients.a.address: is a mail address"]
        for address in ('"a"', "a@", '"@b"', '"a@b\\r\\nBcc: c@d"', '"a b@c"', '"<a@b>"', '"a@b,c@d"', '"é@b.org"')
    },
}
DISTRIBUTION = {
    "cloud_upload: {provider: s3}": ["cloud_upload: unknown key", "known: email_targets"],
    "feedback: {enabled: true}": ["feedback: unknown key"],
    "email_targets: [{name: A}]": ["email_targets.0.address: is required"],
    "email_targets: [{name: '', address: a@b.org}]": ["email_targets.0.name"],
    'email_targets: [{name: "a\\nb", address: a@b.org}]': ["email_targets.0.name", "one line"],
    "email_targets: [{name: log, address: a@b.org}]": ["email_targets.0.name: 'log' is a recipient already"],
    "email_targets: [{name: A, address: a@b.org}, {name: A, address: c@d.org}]": ["email_targets.1.name: 'A' is"],
}
CASES = [
    (name, text, said)
    for name, cases in (("notify.yaml", NOTIFY), ("lumen_distribution.yaml", DISTRIBUTION))
    for text, said in cases.items()
]


def refused() -> str:
    with pytest.raises(ConfigError) as error:
        load()
    text = str(error.value)
    assert "\n" not in text
    assert SECRET not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize(("name", "text", "said"), CASES, ids=[f"{name}-{text[:60]!r}" for name, text, _ in CASES])
def test_a_mistake_in_a_file(configs: Path, name: str, text: str, said: list[str]) -> None:
    put_secret(configs / "token", SECRET)
    (configs / name).write_text(text)
    told = refused()
    assert told.startswith(str(configs / name))
    for word in said:
        assert word in told


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (SECRET, 0o644, "others may read"),
        (SECRET, 0o620, "run: chmod 600"),
        ("", 0o600, "not empty"),
        (f"{SECRET}\nsecond", 0o600, "one line"),
        (f"é{SECRET}", 0o600, "not one line of ASCII"),
    ],
)
def test_a_mistake_in_a_file_with_a_secret(configs: Path, content: str, mode: int, said: str) -> None:
    put_secret(configs / "token", content, mode)
    (configs / "notify.yaml").write_text(HOOK % ", url: 'https://a.org', token_file: token")
    told = refused()
    assert "recipients.a.token_file" in told
    assert said in told


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"LUMEN_ALERT_URL": f"hooks/{SECRET}"}, "LUMEN_ALERT_URL: is an http or https URL"),
        ({"LUMEN_ALERT_URL": f"https://u:{SECRET}@a.org"}, "LUMEN_ALERT_URL: is an http or https URL"),
        ({"SLACK_WEBHOOK": SECRET}, "SLACK_WEBHOOK: is an http or https URL"),
        ({"SLACK_WEBHOOK": f"http://a.org/{SECRET}"}, "SLACK_WEBHOOK: a token or a Slack URL goes over https only"),
        ({"LUMEN_ALERT_URL": "http://a.org", "LUMEN_ALERT_TOKEN": SECRET}, "LUMEN_ALERT_URL: a token"),
        ({"LUMEN_ALERT_SECRET": f"{SECRET}\n"}, "LUMEN_ALERT_SECRET: must be one line of printable ASCII"),
        ({"LUMEN_ALERT_TOKEN": f"{SECRET}é"}, "LUMEN_ALERT_TOKEN: must be one line"),
        ({"SMTP_PORT": "0"}, "SMTP_PORT: is a number at least 1 and at most 65535, not '0'"),
        ({"SMTP_PORT": "smtp"}, "SMTP_PORT"),
        ({"SMTP_HOST": "a b"}, "SMTP_HOST"),
    ],
)
def test_a_mistake_in_a_variable(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert said in refused()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "SMTP_HOST is not set, and there are e-mail recipients"),
        ({"SMTP_HOST": "a.org"}, "SMTP_FROM is not set"),
        ({**MAIL, "SMTP_FROM": "nobody"}, "SMTP_FROM: is a mail address"),
        ({**MAIL, "SMTP_FROM": "a\r\nb <a@b.org>"}, "SMTP_FROM"),
        ({**MAIL, "SMTP_PORT": "465"}, "SMTP_PORT: 465 speaks TLS from its first byte"),
        ({**MAIL, "SMTP_USER": "lumen"}, "SMTP_USER and SMTP_PASS go together"),
        ({**MAIL, "SMTP_PASS": SECRET}, "SMTP_USER and SMTP_PASS go together"),
        ({**MAIL, "SMTP_USER": "lumen", "SMTP_PASS": f"{SECRET}é"}, "SMTP_PASS: must be one line of printable ASCII"),
    ],
)
def test_a_mistake_about_the_mail_server(
    configs: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    load()  # as long as nobody is told by mail, it does not matter
    (configs / "lumen_distribution.yaml").write_text("email_targets: [{name: A, address: a@b.org}]")
    assert said in refused()


def test_a_name_that_a_variable_takes(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUMEN_ALERT_URL", "https://a.org")
    (configs / "notify.yaml").write_text("recipients: {alert-webhook: {channel: webhook, url: 'https://b.org'}}")
    assert "alert-webhook is the recipient that LUMEN_ALERT_URL makes" in refused()


def test_the_digest_does_not_depend_on_it(configs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = load().config_digest
    monkeypatch.setenv("LUMEN_ALERT_URL", "https://a.org")
    for name, value in MAIL.items():
        monkeypatch.setenv(name, value)
    contacts(configs, "report: []", "email_targets: [{name: A, address: a@b.org}]")
    assert load().config_digest == digest
