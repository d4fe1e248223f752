"""Evidence about decisions: reason codes, records that can be made again, drift, and drafts for dated rule packs."""

from pellucid.compliance.artefacts import Artefact, Sheet, artefact, declarations
from pellucid.compliance.codebook import Codebook
from pellucid.compliance.log import RecordLog
from pellucid.compliance.reason_nouns import AdverseDecision, Reason, ReasonCodes
from pellucid.compliance.reasons import reason_codes
from pellucid.compliance.records import Record, Recorder
from pellucid.compliance.rules import RulePack, rule_packs
from pellucid.compliance.shift import Shift, compare
from pellucid.compliance.verify import Verification, verify
from pellucid.compliance.worksheets import adverse_action_sheets, ll144_sheets

__all__ = [
    "AdverseDecision",
    "Artefact",
    "Codebook",
    "Reason",
    "ReasonCodes",
    "Record",
    "RecordLog",
    "Recorder",
    "RulePack",
    "Sheet",
    "Shift",
    "Verification",
    "adverse_action_sheets",
    "artefact",
    "compare",
    "declarations",
    "ll144_sheets",
    "reason_codes",
    "rule_packs",
    "verify",
]
