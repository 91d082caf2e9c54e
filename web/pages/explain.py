"""`/problems/<slug>`: what an error of the API means."""

from flask import Blueprint, render_template
from werkzeug.exceptions import NotFound

from web.problems import explanations

blueprint = Blueprint("problem_pages", __name__)


@blueprint.get("/problems/<slug>")
def show(slug: str) -> str:
    """Explain one kind of problem."""
    if slug not in explanations():
        raise NotFound("No problem has this name.")
    title, status, text = explanations()[slug]
    return render_template("problem.html", title=title, status=status, text=text.strip())
