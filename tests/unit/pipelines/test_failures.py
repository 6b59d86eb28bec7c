"""The failure table."""

from __future__ import annotations

from lumen_workers.config.reruns import RerunsFile
from lumen_workers.domain.failures import AlarmSeverity
from lumen_workers.pipelines.failures import CLASSES, EXIT_CODES, POLICIES
from lumen_workers.pipelines.verdicts.judge import GRAVITY
from lumen_workers.pipelines.verdicts.names import GENERIC, NAMES
from lumen_workers.pipelines.verdicts.texts import TEXTS


def test_every_class_stands_in_every_table() -> None:
    assert set(CLASSES) == {
        "network",
        "token_expired",
        "external_api",
        "dependency",
        "build",
        "environment",
        "unknown",
    }
    assert tuple(sorted(CLASSES)) == tuple(sorted(POLICIES)) == tuple(sorted(GRAVITY))
    assert set(RerunsFile.model_fields) == set(CLASSES)


def test_every_class_has_its_exit_code() -> None:
    assert len(set(EXIT_CODES.values())) == len(CLASSES)
    assert not {0, 1, 2} & set(EXIT_CODES.values())


def test_what_passes_is_tried_twice_again_what_stays_is_not_and_the_unknown_once() -> None:
    for name in ("network", "external_api"):
        assert POLICIES[name].transient
        assert (POLICIES[name].reruns, POLICIES[name].backoff_s, POLICIES[name].budget) == (2, (5.0, 30.0), 20)
    for name in ("token_expired", "dependency", "build", "environment"):
        assert not POLICIES[name].transient
        assert POLICIES[name].reruns == 0
    unknown = POLICIES["unknown"]
    assert (unknown.reruns, unknown.backoff_s, unknown.budget) == (1, (30.0,), 5)
    assert all(policy.ticket for policy in POLICIES.values())
    assert [n for n, policy in POLICIES.items() if policy.severity is AlarmSeverity.PAGE] == ["environment"]


def test_the_tables_of_names_and_texts_know_only_classes_and_do_not_overlap() -> None:
    assert {*NAMES.values(), *GENERIC.values()} | {name for name, _ in TEXTS} <= set(CLASSES)
    assert not set(NAMES) & set(GENERIC)
    phrases = [phrase for _, group in TEXTS for phrase in group]
    assert len(set(phrases)) == len(phrases)
    assert all(phrase == phrase.lower() for phrase in phrases)
