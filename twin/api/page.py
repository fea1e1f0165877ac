"""The page: the files of its build, or a hint how to build it."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent.parent / "static"

_HINT = """<!doctype html>
<html lang="zh">
<meta charset="utf-8">
<title>blocktwin</title>
<h1>页面尚未构建</h1>
<p>接口已在运行。请在源码目录执行 <code>make demo</code>，或在 <code>web/</code> 目录执行
<code>npm ci &amp;&amp; npm run build</code>。</p>
<h1 lang="en">The page is not built</h1>
<p lang="en">The API is running. Run <code>make demo</code> in the source folder, or
<code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>.</p>
</html>
"""


class _Built(StaticFiles):
    """Static files; those with a hash in their name may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = path.startswith("assets/") and response.status_code == 200
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if kept else "no-cache"
        )
        return response


def is_page(path: str) -> bool:
    """Tell whether a path names a file of the page, and none outside its folder."""
    if "\0" in path:
        return False
    file = (STATIC / path.lstrip("/")).resolve()
    return file.is_relative_to(STATIC.resolve()) and file.is_file()


def install(app: FastAPI) -> None:
    """Serve the page at ``/``; last, because it takes every path that is left."""

    async def index() -> Response:
        file = STATIC / "index.html"
        if file.is_file():
            return FileResponse(file, headers={"Cache-Control": "no-cache"})
        return Response(_HINT, status_code=503, media_type="text/html; charset=utf-8")

    app.add_api_route("/", index, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/", _Built(directory=STATIC, check_dir=False), name="page")
