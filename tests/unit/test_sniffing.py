"""What a file is, by its first bytes, where two kinds are near each other."""

import pytest

from shared.domain import FileKind
from shared.files import sniff

PDF = b"%PDF-1.7\n1 0 obj"


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (PDF, "a.txt", FileKind.PDF),
        (b"\0" * 128 + PDF, "from-a-mac", FileKind.PDF),
        (b"Content-Type: application/pdf\r\n\r\n" + PDF, "mail", FileKind.PDF),
        (b"PK\x03\x04\x14\0\0\0\0\0 report.pdf\n" + PDF, "reports.zip", FileKind.ZIP),
        (b"# How PDF begins\n\nWith `%PDF-1.7`, as a rule.", "pdf.md", FileKind.MARKDOWN),
        (b'{"text": "a PDF begins with %PDF-1.7"}\n', "facts.jsonl", FileKind.JSONL),
    ],
)
def test_a_pdf_is_one_only_where_its_mark_begins_a_line(
    head: bytes, name: str, kind: FileKind
) -> None:
    assert sniff(head, name) is kind
