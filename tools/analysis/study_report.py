"""Write the document and the page of a study from its results.

    python tools/analysis/study_report.py docs/weak_complementarity

makes docs/weak_complementarity.md, docs/weak_complementarity.html and the pictures in docs/weak_complementarity/ from
the tables and template.md there. With ``--check`` nothing is written: all is made anew and compared, and what differs
is said.

    python tools/analysis/study_report.py --replication work_dirs/study_3/table

takes the results of a replication over before, of every trial as a whole.
"""

import argparse
import sys
from pathlib import Path

from mmaffect.utils.cli import run_tool

FOLDER = Path('docs/weak_complementarity')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', nargs='?', type=Path, default=FOLDER, help='of the table (default: %(default)s)')
    parser.add_argument('--template', type=Path, help='text of the document (default: template.md in the folder)')
    parser.add_argument(
        '--replication',
        type=Path,
        metavar='TABLE',
        help='table of the same study on other corpora: taken over first, into replication/ in the folder',
    )
    parser.add_argument('--check', action='store_true', help='write nothing; exit with 1 if something is out of date')
    args = parser.parse_args()
    if args.check and args.replication:
        parser.error('--check writes nothing; expected no --replication')
    return args


def main() -> int:
    args = parse_args()

    from mmaffect.study.document import REPLICATION, document_problems, write_document
    from mmaffect.study.table import StudyTable

    if args.check:
        problems = document_problems(args.folder, args.template)
        for line in problems:
            print(line, file=sys.stderr)
        if problems:
            print(f'run: python tools/analysis/study_report.py {args.folder}', file=sys.stderr)
        return 1 if problems else 0
    if args.replication:
        StudyTable.load(args.replication).pooled().write(args.folder / REPLICATION)
    document, page, pictures = write_document(args.folder, template=args.template)
    print(f'wrote {document}, {page} and {len(pictures)} pictures')
    return 0


if __name__ == '__main__':
    run_tool(main)
