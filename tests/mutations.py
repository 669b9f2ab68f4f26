"""Breaking each protective step once, to see that a test notices.

``python tests/mutations.py`` copies the tree, runs the named tests as they are, and then each
mutation in turn with its test alone: one edit, which must turn the test red. It takes about ten
minutes; ``python tests/mutations.py fsync lock`` takes those whose names have one of these words.
``--list`` prints the table that docs/reliability.md has.

What only stands behind another protection is not among them: no test goes red.

A test that does not end within its time is red: without a limit nothing ends.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LIMIT_S = 240.0
_RED, _GREEN = 1, 0
"""Exit codes of pytest."""


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One protective step, broken."""

    name: str
    file: str
    """Below the root of the repository."""
    old: str
    """What stands there, once."""
    new: str
    test: str
    """The file below ``tests/`` and the function that must go red, as pytest has them."""


CRASH = "test_crash_safety.py::test_a_run_killed_at_a_step_is_whole_after_the_next"
POWER = "test_power_loss.py::test_nothing_that_was_recorded_is_lost"

MUTATIONS = (
    Mutation(
        name="a class map is recorded before it has its name",
        file="processors/worker.py",
        old="                    yield output\n",
        new="                    late = message.task.raster.with_suffix('.late')\n"
        "                    if output.status == 'done':\n"
        "                        message.task.raster.replace(late)\n"
        "                    yield output\n"
        "                    if output.status == 'done':\n"
        "                        late.replace(message.task.raster)\n",
        test=CRASH,
    ),
    Mutation(
        name="drafts are not swept",
        file="io/publish.py",
        old='    for leftover in folder.rglob(f"{_MARK}*"):\n',
        new="    for leftover in ():\n",
        test=CRASH,
    ),
    Mutation(
        name="drafts have names like any file",
        file="io/publish.py",
        old='    return final.with_name(f"{_MARK}{uuid.uuid4().hex}{final.suffix}")\n',
        new='    return final.with_name(f"{uuid.uuid4().hex}{final.suffix}")\n',
        test=CRASH,
    ),
    Mutation(
        name="class maps of changed images are replaced while they are listed",
        file="processors/driver.py",
        old="        care.forget_outdated(self._catalog, run_id, list(self._datasets))\n",
        new="",
        test="test_crash_safety.py::"
        "test_a_run_over_changed_photos_is_killed_and_lists_nothing_that_is_not_there",
    ),
    Mutation(
        name="no fsync of a class map",
        file="io/publish.py",
        old="            os.fsync(file.fileno())\n        for other in beside:\n",
        new="        for other in beside:\n",
        test=POWER,
    ),
    Mutation(
        name="no fsync of the folder",
        file="io/publish.py",
        old="            other.replace(name)\n        _sync_folder(final.parent)\n",
        new="            other.replace(name)\n",
        test=POWER,
    ),
    Mutation(
        name="no fsync of the folder of that folder",
        file="io/publish.py",
        old="            _sync_folder(each.parent)\n",
        new="            pass\n",
        test=POWER,
    ),
    Mutation(
        name="commits that are not synced (synchronous=NORMAL)",
        file="catalog/store.py",
        old="PRAGMA synchronous = EXTRA",
        new="PRAGMA synchronous = NORMAL",
        test=POWER,
    ),
    Mutation(
        name="no rollback journal",
        file="catalog/store.py",
        old='connection.execute("PRAGMA synchronous = EXTRA")\n',
        new='connection.execute("PRAGMA journal_mode = OFF")\n',
        test=POWER,
    ),
    Mutation(
        name="no lock",
        file="catalog/lock.py",
        old="        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        new="        pass\n",
        test="test_crash_safety.py::"
        "test_a_second_run_at_the_same_time_says_who_holds_the_catalog",
    ),
    Mutation(
        name="the open catalog is a file like any other",
        file="catalog/lock.py",
        old='        raise CatalogError(f"{os.fspath(path)} is the open catalog; give another file")\n',
        new="        pass\n",
        test="test_lock.py::test_no_entry_touches_a_live_catalog",
    ),
    Mutation(
        name="a transaction begins without the right to write",
        file="catalog/store.py",
        old='self._connection.execute("BEGIN IMMEDIATE")',
        new='self._connection.execute("BEGIN")',
        test="test_lock.py::test_a_transaction_has_the_right_to_write_from_its_beginning",
    ),
    Mutation(
        name="a transaction that fails is committed",
        file="catalog/store.py",
        old='                    self._connection.execute("ROLLBACK")\n                raise',
        new='                    self._connection.execute("COMMIT")\n                raise',
        test="test_lock.py::test_a_transaction_that_fails_leaves_nothing",
    ),
    Mutation(
        name="tables are made in several transactions",
        file="catalog/schema.py",
        old="    with db.atomic():\n        MIGRATIONS.apply(db)\n",
        new="    MIGRATIONS.apply(db)\n",
        test=CRASH,
    ),
    Mutation(
        name="nobody waits for a catalog that is locked",
        file="catalog/connection.py",
        old="BUSY_TIMEOUT_S = 30.0\n",
        new="BUSY_TIMEOUT_S = 0.0\n",
        test="test_lock.py::test_a_program_that_writes_for_a_moment_is_waited_for",
    ),
    Mutation(
        name="an image that failed needs no reason",
        file="catalog/schema_sql.py",
        old="  CHECK (status = 'done' OR reason IS NOT NULL));\nCREATE INDEX outputs_current",
        new="  CHECK (1));\nCREATE INDEX outputs_current",
        test="test_catalog.py::test_an_output_that_makes_no_sense_is_refused",
    ),
    Mutation(
        name="scores that are not finite count",
        file="processors/class_map.py",
        old="        if np.isfinite(confidence.sum()):\n",
        new="        if True:\n",
        test="test_not_finite.py::test_the_pixels_are_counted",
    ),
    Mutation(
        name="class maps are not read back",
        file="io/cog.py",
        old="            self._check(final)\n",
        new="",
        test="test_class_raster.py::test_a_raster_that_does_not_read_back_is_not_published",
    ),
    Mutation(
        name="an image is tried without end",
        file="processors/workers/apart.py",
        old="            if tried < TRIES and not",
        new="            if not",
        test="test_workers.py::test_an_image_that_takes_its_process_down_fails_alone",
    ),
    Mutation(
        name="what a lost process had in hand fails",
        file="processors/workers/apart.py",
        old="            if tried < TRIES and not",
        new="            if tried < 1 and not",
        test="test_workers.py::test_an_image_that_takes_its_process_down_fails_alone",
    ),
    Mutation(
        name="no time limit for an image",
        file="processors/workers/apart.py",
        old="time.monotonic() - hand.heard > patience:\n",
        new="time.monotonic() - hand.heard > 1e9:\n",
        test="test_workers.py::test_an_image_without_end_fails_after_its_time",
    ),
    Mutation(
        name="a model that is replaced in mid-run is taken",
        file="processors/workers/here.py",
        old="        if setup.definition.weights_sha256() != setup.weights_sha256:\n",
        new="        if False:\n",
        test="test_workers.py::test_a_model_that_is_replaced_in_mid_run_stops_it",
    ),
    Mutation(
        name="processes outlive the run",
        file="processors/workers/child.py",
        old="    hang_on(lifeline)\n",
        new="",
        test="test_workers.py::test_what_ends_the_run_ends_its_processes",
    ),
    Mutation(
        name="Ctrl-C drops what is in hand",
        file="processors/driver.py",
        old='            return done, "stopped"\n        except BaseException:\n',
        new="            os.abort()\n        except BaseException:\n",
        test="test_cli.py::test_a_signal_stops_a_run_that_leaves_no_half_made_file",
    ),
    Mutation(
        name="Ctrl-C kills processes that have just finished a class map",
        file="processors/workers/apart.py",
        old="            hand.process.hurry() if hand.tasks else self._let_go(hand)\n",
        new="            self._let_go(hand)\n",
        test="test_workers.py::"
        "test_a_class_map_that_is_finished_when_a_signal_comes_is_recorded",
    ),
    Mutation(
        name="a lost class map is not missed",
        file="catalog/runs.py",
        old="if not is_there(folder, path)}\n",
        new="if not path}\n",
        test="test_crash_safety.py::test_outputs_that_were_lost_or_damaged_are_made_anew",
    ),
    Mutation(
        name="a changed image keeps its class map",
        file="catalog/runs.py",
        old='    " AND o.item_sha256 IS i.sha256)"\n',
        new='    ")"\n',
        test="test_classify.py::test_a_changed_photo_does_not_change_the_class_map_of_its_copy",
    ),
    Mutation(
        name="a second run does everything again",
        file="processors/driver.py",
        old="        if run_id is None or ",
        new="        if True or run_id is None or ",
        test="test_classify.py::test_the_same_call_again_does_nothing_and_needs_no_tensorflow",
    ),
    Mutation(
        name="check --deep compares no hashes",
        file="processors/check.py",
        old="        if deep and row.sha256 is not None and digest(path) != row.sha256:\n",
        new="        if deep and not path.exists():\n",
        test="test_check.py::test_what_is_gone_cut_off_changed_and_left_over_is_found",
    ),
    Mutation(
        name="a repair forgets what nobody could make again",
        file="processors/repair.py",
        old="    lost = named - set(inspection.lost_outputs)\n",
        new="    lost = named\n",
        test="test_check.py::test_what_could_not_be_made_again_is_not_forgotten",
    ),
    Mutation(
        name="databases of others are opened for writing",
        file="io/sqlite_source.py",
        old="?mode=ro",
        new="?mode=rw",
        test="test_sources_geopackage.py::test_a_half_written_geopackage_is_never_read_as_it_is",
    ),
    Mutation(
        name="a PNG that is cut off is taken",
        file="io/container.py",
        old='    if media_type not in ("image/png", "image/jpeg"):\n',
        new="    if True:\n",
        test="test_bad_images.py::test_a_png_that_is_cut_off_is_told_by_its_parts",
    ),
    Mutation(
        name="checksums of a PNG are not looked at",
        file="io/container.py",
        old="        if is_needed and found != int.from_bytes(said):\n",
        new="        if is_needed and not said:\n",
        test="test_bad_images.py::test_every_flipped_bit_of_the_pixels_of_a_png_is_found",
    ),
    Mutation(
        name="the limit of pixels is another",
        file="io/limits.py",
        old="        if pixels > self.pixels:\n",
        new="        if pixels > 3 * self.pixels:\n",
        test="test_bad_images.py::test_images_above_the_limit_are_refused_and_the_option_is_named",
    ),
    Mutation(
        name="layers of a model may be code",
        file="processors/formats/keras3.py",
        old="    check_config(path, text, compiles=False)\n",
        new="",
        test="test_keras_policy.py::test_no_command_lets_a_file_load_a_graph_that_nobody_scanned",
    ),
    Mutation(
        name="code of a model runs unasked",
        file="processors/trust.py",
        old=' and model_code == "refuse":\n',
        new=" and not model_code:\n",
        test="test_raster_functions.py::test_code_runs_only_where_it_is_trusted",
    ),
    Mutation(
        name="SQL of a user may write",
        file="catalog/guard.py",
        old="    connection.set_authorizer(_authorize)\n",
        new="",
        test="test_query.py::test_nothing_is_written",
    ),
    Mutation(
        name="a JPEG that is damaged inside is taken",
        file="io/photo.py",
        old="pool.submit(check_whole, data, *self._image.size)\n",
        new="pool.submit(len, data)\n",
        test="test_damaged_jpegs.py::test_a_damaged_jpeg_fails_alone_until_it_is_allowed",
    ),
    Mutation(
        name="GDAL refuses large JPEGs, and they pass",
        file="io/jpeg_whole.py",
        old=", **_ROOM}",
        new="}",
        test="test_damaged_jpegs.py::test_a_jpeg_of_much_memory_is_looked_at_too",
    ),
    Mutation(
        name="a JPEG comes in any number of scans",
        file="io/jpeg_whole.py",
        old='        check_count(scans, MOST_SCANS, "scans")\n',
        new="",
        test="test_damaged_jpegs.py"
        "::test_a_jpeg_in_more_scans_than_a_decoder_gets_through_is_refused",
    ),
    Mutation(
        name="class maps that nothing lists stay",
        file="processors/driver.py",
        old="        remove_unlisted(self._catalog, outdated)",
        new="        self._catalog.path.exists()",
        test="test_classify.py"
        "::test_class_maps_that_nothing_lists_any_more_are_removed_and_no_other_file",
    ),
    Mutation(
        name="a run may remove what it did not write",
        file="processors/unlisted.py",
        old="            if not (is_plain and _OURS.fullmatch(place)):\n",
        new="            if not place:\n",
        test="test_unlisted.py::test_what_no_run_has_written_stays",
    ),
    Mutation(
        name="members of archives are packed in any way",
        file="io/zip_members.py",
        old="    if entry.compress_type not in _BOUNDED:\n",
        new="    if not entry.filename:\n",
        test="test_zip_members.py::test_a_package_is_packed_so_that_it_has_a_size",
    ),
    Mutation(
        name="reference systems may name files",
        file="io/srs_text.py",
        old="    if _NAMED.fullmatch(text):\n",
        new="    if text:\n",
        test="test_srs_text.py::test_a_user_may_name_no_grids_either",
    ),
    Mutation(
        name="descriptions of other sources are followed",
        file="io/ogr_files.py",
        old="    if _OTHERS.search(head):\n",
        new="    if not path:\n",
        test="test_files_that_name_others.py"
        "::test_a_layer_that_describes_another_source_is_refused",
    ),
    Mutation(
        name="columns of ours may be worked out from others",
        file="catalog/own_tables.py",
        old="_GENERATED = 2\n",
        new="_GENERATED = 99\n",
        test="test_strange_catalog.py::test_a_column_that_a_stranger_works_out_is_refused",
    ),
    Mutation(
        name="a lost terminal stops a run",
        file="processors/streams.py",
        old="            self.error = error\n            return size\n",
        new="            raise\n",
        test="test_streams.py::test_a_run_outlives_its_terminal",
    ),
    Mutation(
        name="a model is checked in the command's own process",
        file="processors/workers/checking.py",
        old="    process = Process()\n",
        new="    from ..model_check import check as here\n\n"
        "    return here(definition, arguments, image, environment)\n"
        "    process = Process()\n",
        test="test_model_check_apart.py::test_a_model_that_crashes_is_refused",
    ),
)  # fmt: skip


def copied(folder: Path) -> Path:
    """Copy the files of the repository to a folder; return the package that Python finds there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    package = folder / "pixelcat"
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, package / name)
    return package


def run_tests(package: Path, tests: list[str], limit_s: float) -> int | None:
    """Run tests of a copy; pytest's exit code, None where they did not end in time."""
    environment = {
        **os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    where = "import pixelcat; print(pixelcat.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where], cwd=package.parent, env=environment, capture_output=True,
        check=True, text=True,
    ).stdout  # fmt: skip
    if found.strip() != str(package / "__init__.py"):
        sys.exit(f"Python takes pixelcat from {found.strip()}, not from the copy")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    with subprocess.Popen(
        [*command, f"--basetemp={package.parent / 'tmp'}", *(f"tests/{test}" for test in tests)],
        cwd=package, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None


def verdict(package: Path, mutation: Mutation) -> str:
    """Break a step in a copy, run its test, and mend it again."""
    file = package / mutation.file
    before = file.read_text(encoding="utf-8")
    if before.count(mutation.old) != 1:
        return "STALE: its text does not stand there once"
    file.write_text(before.replace(mutation.old, mutation.new), encoding="utf-8")
    start = time.monotonic()
    try:
        code = run_tests(package, [mutation.test], _LIMIT_S)
    finally:
        file.write_text(before, encoding="utf-8")
    words = {_RED: "red", None: "red (never ends)", _GREEN: "GREEN: nobody noticed"}
    if code is not None and code < 0:
        words[code] = f"red (killed by {signal.Signals(-code).name})"
    return f"{words.get(code, f'NOT RUN: pytest says {code}')}, {time.monotonic() - start:.0f} s"


def table() -> str:
    """Return the mutations as docs/reliability.md has them."""
    rows = [
        f"| {each.name} | `{each.file}` | `{each.test.partition('::')[2]}` |" for each in MUTATIONS
    ]
    return "\n".join(["| broken | in | goes red |", "|---|---|---|", *rows])


def main(words: list[str]) -> int:
    """Try mutations, all of them or those with these words in their names."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
    chosen = [m for m in MUTATIONS if not words or any(word in m.name for word in words)]
    with tempfile.TemporaryDirectory() as folder:
        package = copied(Path(folder))
        tests = sorted({mutation.test for mutation in chosen})
        code = run_tests(package, tests, _LIMIT_S * len(tests))
        if code != _GREEN:
            print(f"without any mutation pytest says {code}, so that nothing can be told")
            return 1
        print(f"without any mutation {len(tests)} tests are green", flush=True)
        unnoticed = 0
        for mutation in chosen:
            found = verdict(package, mutation)
            unnoticed += not found.startswith("red")
            print(f"{mutation.name:55} {found}", flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} were noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(table())
    else:
        sys.exit(main(sys.argv[1:]))
