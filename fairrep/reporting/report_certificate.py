"""The report's section on a certificate: what holds, from what, and what does not follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairrep.reporting.certificate_tables import MEASURED, bound
from fairrep.reporting.page import Section
from fairrep.reporting.report_tables import Table
from fairrep.reporting.terminal import number


def certificate_section(certificate: Mapping[str, Any] | None) -> Section | None:
    """The promise, its numbers and limits; nothing where there is no certificate."""
    if not certificate:
        return None
    groups = ", ".join(f"{name} {count:,}" for name, count in certificate["groups"].items())
    facts = [
        ("certificate", bound(certificate["bound"])),
        (f"measured {MEASURED[certificate['about']]}", number(certificate["distance"])),
        ("added for the number of rows", number(certificate["slack"])),
        ("may fail with probability", f"{certificate['delta']:g}"),
        ("calibration rows", groups),
    ]
    if certificate.get("candidates", 1) > 1:
        facts.append(("certificates that hold at once", str(certificate["candidates"])))
    if cells := certificate.get("cells"):
        facts.append(("cells", f"{cells[1]} of {cells[0]} in use, by {certificate['release']}"))
    pairs = certificate["pairs"]
    table = Table(
        "Pairs of groups, all at once",
        ("groups", "certificate", "measured"),
        tuple((pair, bound(one["bound"]), number(one["distance"])) for pair, one in pairs.items()),
    )
    return Section(
        "certificate",
        "The certificate",
        text=(certificate["promise"],),
        facts=facts,
        tables=(table,) if len(pairs) > 1 else (),
        notes=certificate["limits"],
    )
