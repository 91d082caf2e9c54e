"""What takes files in, reads them and clears them away, in a small world; and files to try."""

import atexit
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from functools import cache, partial

import docx

from shared.catalog import SqlLeftovers, SqlParsing, SqlUploads
from shared.domain import Columns, Lane, Receipt, Submission, UploadReport
from shared.files import FileLimits, FolderBlobs, Pen, clean_name, sniff
from shared.ports import Parsing
from shared.uploads.clearing import Attic
from shared.uploads.parsing import Mill, parse_next
from shared.uploads.receiving import Depot, Verdict, judge, receive, without_namesakes
from tests.keeping import database_of
from tests.worlds import LIMITS, World

FILE_LIMITS = FileLimits(
    file_bytes=2_000_000,
    text_characters=LIMITS.text_characters,
    name_characters=LIMITS.id_characters,
    pages=400,
    rows=2000,
    members=20,
    unpacked_bytes=30_000_000,
    ratio=100,
    memory_bytes=1 << 30,
    cpu_seconds=20,
    wall_seconds=60.0,
)


def blobs_of(world: World) -> FolderBlobs:
    return FolderBlobs(world.folder / "uploads")


def uploads_of(world: World) -> SqlUploads:
    return SqlUploads(database_of(world))


def attic_of(world: World) -> Attic:
    return Attic(SqlLeftovers(database_of(world)), blobs_of(world))


def depot_of(world: World) -> Depot:
    return Depot(
        uploads=uploads_of(world),
        blobs=blobs_of(world),
        rooms=(world.bench.room,),
        backlog=world.backlog,
        sniff=sniff,
        clean_name=partial(clean_name, most=512),
        file_bytes=FILE_LIMITS.file_bytes,
    )


def mill_of(
    world: World,
    *,
    limits: FileLimits = FILE_LIMITS,
    parsing: Parsing | None = None,
    lease_seconds: float = 30.0,
) -> Mill:
    return Mill(
        parsing=parsing or SqlParsing(database_of(world)),
        blobs=blobs_of(world),
        reader=pen(limits),
        rooms=(world.bench.room,),
        backlog=world.backlog,
        bell=world.bell,
        limits=LIMITS,
        file_bytes=limits.file_bytes,
        worker="host:5",
        lease_seconds=lease_seconds,
        max_attempts=3,
        retry_seconds=0.0,
    )


def look_at(world: World, files: Mapping[str, bytes], columns: Columns) -> list[Verdict]:
    depot = depot_of(world)
    verdicts = []
    for name, raw in files.items():
        incoming = depot.blobs.begin(most=depot.file_bytes)
        incoming.write(raw)
        verdicts.append(judge(depot, world.collection.id, name, incoming, columns))
    return without_namesakes(depot, verdicts)


def send(
    world: World,
    files: Mapping[str, bytes],
    *,
    columns: Columns | None = None,
    key: str | None = None,
) -> tuple[Receipt | None, list[Verdict]]:
    """Hand files over as the API does; None where every one is refused at once."""
    verdicts = look_at(world, files, columns or Columns())
    if not any(one.upload for one in verdicts):
        return None, verdicts
    submission = Submission(
        collection="c", source="api", documents=(), key=key, lane=Lane.INTERACTIVE
    )
    return receive(depot_of(world), verdicts, submission), verdicts


@cache
def pen(limits: FileLimits) -> Pen:
    """Return a pen whose child serves one test after another."""
    made = Pen(limits)
    atexit.register(made.close)
    return made


def parse_all(mill: Mill) -> None:
    while parse_next(mill):
        pass


def files_of(world: World, job_id: str) -> Sequence[UploadReport]:
    return [report for _, report in uploads_of(world).of_job(job_id, limit=100)]


def stored_keys(world: World) -> list[str]:
    return sorted(key for key, _ in blobs_of(world).entries())


def pdf(pages: Sequence[str], *, title: str = "", extra: bytes = b"") -> bytes:
    """Return a PDF with a line of text on each page, by hand: objects, table, trailer."""
    objects: list[bytes] = [b"<</Type/Catalog/Pages 2 0 R>>", b""]
    objects.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    kids = []
    for text in pages:
        lines = [text[place : place + 80] for place in range(0, len(text), 80)]
        shown = " T* ".join(f"({one.translate({40: 92, 41: 92})}) Tj" for one in lines)
        packed = zlib.compress(f"BT /F1 12 Tf 14 TL 50 750 Td {shown} ET".encode("latin-1"))
        stream = f"<</Length {len(packed)}/Filter/FlateDecode>>stream\n".encode()
        objects.append(stream + packed + b"\nendstream")
        kids.append(len(objects) + 1)
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {len(objects)} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>".encode()
        )
    listed = " ".join(f"{one} 0 R" for one in kids)
    objects[1] = f"<</Type/Pages/Kids[{listed}]/Count {len(kids)}>>".encode()
    objects.append(f"<</Title({title})>>".encode())
    out, places = bytearray(b"%PDF-1.7\n"), []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    for place in places:
        out += f"{place:010} 00000 n \n".encode()
    trailer = f"/Size {len(objects) + 1}/Root 1 0 R/Info {len(objects)} 0 R".encode()
    out += b"trailer\n<<" + trailer + extra + b">>\nstartxref\n" + str(table).encode() + b"\n%%EOF"
    return bytes(out)


def word(*blocks: tuple[str, str]) -> bytes:
    """Return a Word document of (style, text) paragraphs; no style for plain ones."""
    document = docx.Document()
    for style, text in blocks:
        document.add_paragraph(text, style=style or None)
    packed = io.BytesIO()
    document.save(packed)
    return packed.getvalue()


def archive(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in members.items():
            file.writestr(name, raw)
    return packed.getvalue()


def with_password(packed: bytes) -> bytes:
    """Return an archive whose members say that they need a password."""
    raw = bytearray(packed)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = raw.find(signature)
        while place >= 0:
            (flags,) = struct.unpack_from("<H", raw, place + offset)
            struct.pack_into("<H", raw, place + offset, flags | 1)
            place = raw.find(signature, place + 4)
    return bytes(raw)
