"""The role `intake`: messages of other apps, off their queue and into the catalog."""

from workers.intake.role import run

__all__ = ["run"]
