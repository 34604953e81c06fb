"""Print a schema document: `python -m guard.serve.schema events > guard/serve/schema/events.json`."""

from __future__ import annotations

import argparse
import sys

from guard.serve.schema import as_text, asyncapi_document, events_schema

_DOCUMENTS = {"events": events_schema, "asyncapi": asyncapi_document}


def main() -> None:
    """Print the document that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m guard.serve.schema", description=__doc__)
    parser.add_argument("document", choices=sorted(_DOCUMENTS), nargs="?", default="events")
    sys.stdout.write(as_text(_DOCUMENTS[parser.parse_args().document]()))


if __name__ == "__main__":
    main()
