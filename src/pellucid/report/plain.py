"""The report for machines: JSON, and JUnit XML for continuous integration."""

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from pellucid._base.errors import InputError
from pellucid.auditing.findings import Finding, Section, Verdict
from pellucid.plot.labels import printable, shorten

if TYPE_CHECKING:
    from pellucid.auditing.audit import Audit

_GRAVE = {"fail": {Verdict.FAIL}, "warn": {Verdict.FAIL, Verdict.WARN}}


def render_json(audit: "Audit") -> str:
    """Return everything an audit found as JSON; what is not a finite number is null.

    Parameters
    ----------
    audit : Audit
    """
    return json.dumps(audit.to_dict(), allow_nan=False, indent=1, ensure_ascii=False) + "\n"


def render_junit(audit: "Audit", *, fail_on: str = "fail") -> str:
    """Return an audit as JUnit XML: one suite per section, one case per finding.

    Parameters
    ----------
    audit : Audit
    fail_on : str
        ``"fail"``, or ``"warn"`` to count warnings as failures too, as `Audit.exit_code` does.
    """
    root = ElementTree.Element("testsuites", name="pellucid audit", time=f"{audit.seconds:.3f}")
    if fail_on not in _GRAVE:
        raise InputError(f"fail_on must be 'warn' or 'fail'; got {fail_on!r}.")
    grave = _GRAVE[fail_on]
    _count(root, audit.findings, grave)
    for section in Section:
        inside = tuple(finding for finding in audit.findings if finding.section == section)
        if inside:
            suite = ElementTree.SubElement(root, "testsuite", name=str(section))
            _count(suite, inside, grave)
            for finding in inside:
                suite.append(_case(finding, grave))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _count(element: ElementTree.Element, findings: tuple[Finding, ...], grave: set[Verdict]) -> None:
    element.set("tests", str(len(findings)))
    element.set("failures", str(sum(finding.verdict in grave for finding in findings)))
    element.set("errors", str(sum(finding.verdict == Verdict.ERROR for finding in findings)))
    element.set("skipped", str(sum(finding.verdict == Verdict.NOT_APPLICABLE for finding in findings)))


def _case(finding: Finding, grave: set[Verdict]) -> ElementTree.Element:
    name = f"{finding.code} {shorten(finding.title, 200)}"
    case = ElementTree.Element("testcase", name=name, classname=f"pellucid.{finding.section.name.lower()}")
    statement = printable(finding.statement)
    if finding.verdict in grave:
        inner = ElementTree.SubElement(case, "failure", message=statement, type=str(finding.verdict))
        inner.text = printable(
            "\n\n".join(part for part in (finding.detail, finding.why, finding.how, finding.remedy) if part)
        )
    elif finding.verdict == Verdict.ERROR:
        ElementTree.SubElement(case, "error", message=statement, type="error")
    elif finding.verdict == Verdict.NOT_APPLICABLE:
        ElementTree.SubElement(case, "skipped", message=statement)
    else:
        ElementTree.SubElement(case, "system-out").text = f"{finding.verdict}: {statement}"
    return case
