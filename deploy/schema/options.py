"""The options of a conversion as a report keeps them: all that were in force, so that it can be repeated."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer

from deploy.options import ConvertOptions

Options = Annotated[ConvertOptions, PlainSerializer(lambda options: options.record())]
