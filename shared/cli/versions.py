"""`lamina versions`: list, name, compare and restore what was."""

from itertools import chain
from typing import Annotated

import typer

from shared.cli import configuration
from shared.cli.options import AsJson, InCollection
from shared.cli.terminal import (
    answer,
    answer_json,
    answer_table,
    confirm,
    failures,
    say,
)
from shared.client import Client
from shared.client.replies import (
    ChangeReply,
    DiffReply,
    MoveReply,
    RankingReply,
    VersionDetailReply,
    VersionReply,
)
from shared.words import size

_PAGE = 1000  # the most that one request returns
_SIGNS = {"added": "+", "changed": "~", "removed": "-"}

Version = Annotated[str, typer.Argument(help="Its number, a tag, `head` or `newest`.")]
Tag = Annotated[
    str, typer.Argument(help="Letters, digits, '.', '_' and '-', beginning with a letter.")
]


def list_versions(
    *,
    collection: InCollection = "default",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    before: Annotated[int | None, typer.Option(min=0, help="Only below this number.")] = None,
    content: Annotated[
        bool, typer.Option("--content", help="Without merges and new layouts.")
    ] = False,
    kept: Annotated[bool, typer.Option("--kept", help="Without expired ones.")] = False,
    json: AsJson = False,
) -> None:
    r"""List the versions of a collection.

    \b
    lamina versions list -c papers --content --kept
    lamina versions list --before 40 --json
    """
    with failures(), configuration.connect() as client:
        found = client.versions(
            collection, limit=limit, before=before, content_only=content, kept_only=kept
        )
        if json:
            answer_json(found)
        else:
            _print_versions(found)


def _print_versions(versions: list[VersionReply]) -> None:
    answer_table(
        ("version", "published", "made by", "documents", "vectors", "segments", "size", "tags"),
        [
            (
                one["version"],
                one["published_at"],
                _origin(one),
                one["documents"],
                one["vectors"],
                one["segments"],
                size(one["bytes"]),
                ", ".join(one["tags"]),
            )
            for one in versions
        ],
    )


def _origin(version: VersionReply) -> str:
    restored = f" of {version['restored']}" if version["restored"] is not None else ""
    return f"{version['kind']}{restored}{', expired' if version['expired'] else ''}"


def show_version(
    version: Version, *, collection: InCollection = "default", json: AsJson = False
) -> None:
    r"""Show one version with its segments and how each is laid out.

    \b
    lamina versions show head -c papers
    lamina versions show 12 --json
    """
    with failures(), configuration.connect() as client:
        found = client.version(collection, version)
        if json:
            answer_json(found)
        else:
            _print_version(found)


def _print_version(version: VersionDetailReply) -> None:
    _print_versions([version])
    for damage in version["damages"]:
        answer(f"damaged: {damage['key']}: {damage['reason']}")
    answer_table(
        ("segment", "vectors", "deleted", "size", "policy", "layout", "recall", "memory"),
        [
            (
                one["id"],
                one["vectors"],
                one["deleted"],
                size(one["bytes"]),
                one["policy"],
                one["spec"],
                one["recall"],
                size(one["memory_bytes"]),
            )
            for one in version["layers"] or []
        ],
    )


def tag_version(
    tag: Tag,
    version: Version = "head",
    *,
    collection: InCollection = "default",
    json: AsJson = False,
) -> None:
    r"""Name a version, so that it is kept; a tag that names another one moves to it.

    \b
    lamina versions tag before-the-move -c papers
    lamina versions tag golden 12
    """
    with failures(), configuration.connect() as client:
        found = client.tag(collection, tag, version)
        if json:
            answer_json(found)
        else:
            answer(f"{tag} is version {found['version']} of {collection}.")


def untag_version(tag: Tag, *, collection: InCollection = "default", json: AsJson = False) -> None:
    r"""Take a tag away; the version then stays as long as the retention rule keeps it.

    \b
    lamina versions untag before-the-move -c papers
    """
    with failures(), configuration.connect() as client:
        client.untag(collection, tag)
        if json:
            answer_json({"collection": collection, "untagged": tag})
        else:
            answer(f"{collection} has no tag {tag} any more.")


def diff_versions(
    before: Version,
    after: Version = "head",
    *,
    collection: InCollection = "default",
    query: Annotated[
        str | None, typer.Option(help="Also show how the answer to this query moved.")
    ] = None,
    query_after: Annotated[
        str | None, typer.Option(help="With --query: ask the later version this instead.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Documents of each ranking.")] = 10,
    limit: Annotated[int, typer.Option(min=1, help="Most documents to list.")] = 100,
    json: AsJson = False,
) -> None:
    r"""Show which documents were added (+), changed (~) and removed (-).

    \b
    lamina versions diff 3 5 -c papers
    lamina versions diff before-the-move --query "how do cells repair DNA" -k 5
    lamina versions diff head --query "repair of DNA" --query-after "how do cells repair DNA"
    """
    if query_after is not None and query is None:
        raise typer.BadParameter("--query-after goes with --query.")
    with failures(), configuration.connect() as client:
        found = _read_diff(client, collection, before, after, limit)
        ranking = None
        if query is not None:
            wanted = {"q": query, "k": k, "before": found["before"], "after": found["after"]}
            wanted |= {} if query_after is None else {"q_after": query_after}
            ranking = client.compare(collection, wanted)
        if json:
            answer_json({"diff": found, "ranking": ranking})
            return
        print_diff(found)
        if ranking:
            _print_ranking(ranking)


def _read_diff(client: Client, collection: str, before: str, after: str, limit: int) -> DiffReply:
    """Return a diff with at most *limit* changes, page by page."""
    found = client.diff(collection, before, after, limit=min(limit, _PAGE))
    # The numbers, since a tag or the head may name another version by the next page.
    ends = str(found["before"]), str(found["after"])
    pages = [found]
    while (cursor := pages[-1]["next_cursor"]) and (left := limit - _PAGE * len(pages)) > 0:
        pages.append(client.diff(collection, *ends, limit=min(left, _PAGE), cursor=cursor))
    found["changes"] = list(chain.from_iterable(page["changes"] for page in pages))
    found["next_cursor"] = pages[-1]["next_cursor"]
    return found


def print_diff(diff: DiffReply) -> None:
    """Print a line for each document that differs, and the sums."""
    for change in diff["changes"]:
        answer(_line(change))
    listed = len(diff["changes"])
    total = diff["added"] + diff["changed"] + diff["removed"]
    if listed < total:
        say(f"and {total - listed:,} more")
    say(
        f"from version {diff['before']} to {diff['after']}: {diff['added']:,} added, "
        f"{diff['changed']:,} changed, {diff['removed']:,} removed"
    )


def _line(change: ChangeReply) -> str:
    title = change["title_after"] or change["title_before"] or ""
    what = [
        part
        for part, differs in (
            ("title", change["title_before"] != change["title_after"]),
            ("text", change["text_changed"]),
            ("metadata", change["metadata_changed"]),
        )
        if differs and change["change"] == "changed"
    ]
    details = f"  ({', '.join(what)})" if what else ""
    return f"{_SIGNS[change['change']]} {change['id']}  {title}".rstrip() + details


def _print_ranking(ranking: RankingReply) -> None:
    answer("")
    answer_table(
        (f"version {ranking['after']}", f"version {ranking['before']}", "move", "id", "title"),
        [
            (
                one["rank_after"],
                one["rank_before"],
                _move_in_words(one),
                one["id"],
                one["title"],
            )
            for one in ranking["moves"]
        ],
    )
    for warning in ranking["warnings"]:
        say(f"warning: {warning}")


def _move_in_words(move: MoveReply) -> str:
    before, after = move["rank_before"], move["rank_after"]
    if before is None:
        return "new"
    if after is None:
        return "gone"
    if before == after:
        return "="
    return f"up {before - after}" if after < before else f"down {after - before}"


def restore_version(
    version: Version,
    *,
    collection: InCollection = "default",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    r"""Make a new version that is equal to an old one; shows what changes, and asks.

    Nothing is lost: the newest version of now stays and can be restored in the same way.

    \b
    lamina versions restore 12 -c papers
    lamina versions restore before-the-move --yes --json
    """
    with failures(), configuration.connect() as client:
        preview = client.restore(collection, version, dry_run=True)
        if preview["diff"] and not json:
            print_diff(preview["diff"])
        confirm(
            f"Restore version {preview['restored']} of {collection}?",
            yes=yes,
            otherwise="Nothing was changed; --yes restores without asking.",
        )
        # By its number: the tag may have moved while the question stood.
        done = client.restore(collection, str(preview["restored"]), dry_run=False)
        if json:
            answer_json(done)
        elif done["unchanged"]:
            answer(f"Nothing to do: the newest version says what {done['restored']} does.")
        else:
            answer(f"Version {done['version']['version']} is version {done['restored']} again.")
