"""The private servers: what they allow, what they keep, and that they die with their parent."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dev.processes import Child, Command
from dev.servers import PrivateMosquitto, PrivatePostgres, ServerFailed
from tests.support.proxy import proxy_to
from tests.support.servers import ROOT, running_broker
from tests.support.waiting import wait_until

SUBSCRIBE = "mosquitto_sub"
PUBLISH = "mosquitto_pub"


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has waited for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_databases_are_clones_of_one_migrated_template(conn: psycopg.Connection) -> None:
    names = {row[0] for row in conn.execute("SELECT tablename FROM pg_tables").fetchall()}
    assert {"reading", "alarm", "tally"} <= names


def test_nobody_enters_the_database_without_the_password(
    postgres: PrivatePostgres, dsn: str
) -> None:
    without = dsn.partition("passfile=")[0] + "passfile=/dev/null"
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(without)
    assert postgres.running


def test_a_killed_database_comes_back_on_its_port_with_what_was_committed(
    postgres: PrivatePostgres, dsn: str
) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("CREATE TABLE kept (n int)")
        conn.execute("INSERT INTO kept VALUES (1)")
    port = postgres.port
    postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)
    postgres.start()
    assert postgres.port == port
    with psycopg.connect(dsn) as conn:
        assert conn.execute("SELECT n FROM kept").fetchone() == (1,)


def mosquitto(program: str, broker: PrivateMosquitto, user: str, *words: str) -> list[str]:
    return [
        *(program, "-V", "mqttv5", "-h", broker.host, "-p", str(broker.port)),
        *("-u", user, "-P", broker.password(user), *words),
    ]


def received_by(broker: PrivateMosquitto, user: str, topic: str) -> subprocess.Popen[str]:
    """Subscribe until one message came; the caller publishes."""
    # Line by line, or what it says about the subscription stays in its buffer until it ends.
    argv = mosquitto(SUBSCRIBE, broker, user, "-t", topic, "-C", "1", "-W", "1", "-d")
    listener = subprocess.Popen(["stdbuf", "-oL", *argv], stdout=subprocess.PIPE, text=True)
    assert listener.stdout is not None
    for line in listener.stdout:
        if "Subscribed" in line:
            return listener
    raise AssertionError("never subscribed")


@pytest.mark.parametrize(
    ("publisher", "listener", "topic", "arrives"),
    [
        ("gw-a", "ingest", "bt/v1/00/gw-a/live", True),
        ("gw-a", "ingest", "bt/v1/00/gw-a/status", True),
        ("ingest", "gw-a", "bt/v1/00/gw-a/receipt", True),
        ("gw-b", "ingest", "bt/v1/00/gw-a/live", False),
        ("gw-a", "gw-a", "bt/v1/00/gw-a/receipt", False),
        ("ingest", "gw-b", "bt/v1/00/gw-a/receipt", False),
        ("gw-a", "gw-b", "bt/v1/00/gw-a/live", False),
        ("gw-a", "ingest", "elsewhere", False),
    ],
)
def test_a_gateway_speaks_only_under_its_own_name(
    broker: PrivateMosquitto, publisher: str, listener: str, topic: str, arrives: bool
) -> None:
    with received_by(broker, listener, topic) as waiting:
        argv = mosquitto(PUBLISH, broker, publisher, "-t", topic, "-m", "hello-there", "-q", "1")
        subprocess.run(argv, check=False, capture_output=True, timeout=10)
        assert waiting.stdout is not None
        assert ("hello-there" in waiting.stdout.read()) == arrives


def test_nobody_speaks_to_the_broker_without_a_password(broker: PrivateMosquitto) -> None:
    argv = [PUBLISH, "-h", broker.host, "-p", str(broker.port), "-t", "x", "-m", "y"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=10)
    assert done.returncode != 0
    assert "authori" in done.stderr.lower()


def test_no_password_stands_in_clear_in_the_brokers_folder(broker: PrivateMosquitto) -> None:
    assert "gw-a-word" not in (broker.folder / "passwd").read_text(encoding="utf-8")
    assert (broker.folder / "passwd").stat().st_mode & 0o077 == 0


def test_a_stopped_broker_gives_back_what_was_queued(broker: PrivateMosquitto) -> None:
    session = ("-i", "listener", "-c", "-x", "60", "-q", "1", "-t", "bt/v1/00/gw-a/live")
    subscribe = mosquitto(SUBSCRIBE, broker, "ingest", *session, "-E")
    subprocess.run(subscribe, check=True, timeout=10)
    publish = mosquitto(
        PUBLISH, broker, "gw-a", "-t", "bt/v1/00/gw-a/live", "-m", "kept", "-q", "1"
    )
    subprocess.run(publish, check=True, timeout=10)
    broker.restart()
    fetch = mosquitto(SUBSCRIBE, broker, "ingest", *session, "-C", "1", "-W", "5")
    done = subprocess.run(fetch, check=True, timeout=10, capture_output=True, text=True)
    assert done.stdout.strip() == "kept"


def test_a_server_that_cannot_start_says_why(broker: PrivateMosquitto, tmp_path: Path) -> None:
    with running_broker(["x"]) as other:
        other.stop()
        other.port = broker.port
        with pytest.raises(ServerFailed, match="Address already in use"):
            other.start()
    assert tmp_path.exists()


def test_a_child_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from dev.processes import Child, Command\n"
        f"log = Path({str(tmp_path / 'log')!r})\n"
        "child = Child(Command(name='c', argv=['sleep', '60'], log=log))\n"
        "child.start(); print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        # Not before: what sets the death signal has "sleep" among its own arguments.
        words = Path(f"/proc/{pid}/cmdline")
        wait_until(lambda: words.read_text(encoding="ascii").startswith("sleep"))
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(pid), 5)


def test_a_child_that_ignores_the_request_is_ended_with_its_children(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 60 & echo $!; wait; wait"
    log = tmp_path / "log"
    child = Child(Command(name="deaf", argv=["bash", "-c", script], log=log))
    child.start()
    grandchild = int(wait_until(lambda: log.exists() and log.read_text(encoding="ascii").strip()))
    assert not child.stop(0.3)
    assert not child.running
    wait_until(lambda: not alive(grandchild), 5)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    child = Child(Command(name="ghost", argv=["/no/such/program"], log=tmp_path / "log"))
    child.start()
    assert child.wait(5)
    assert child.exit_code != 0
    assert "/no/such/program" in child.tail()


def test_a_child_may_have_many_connections(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(Command(name="c", argv=["bash", "-c", "ulimit -Sn"], log=log, open_files=777))
    child.start()
    assert child.wait(5)
    assert child.tail() == "777"


def test_a_cut_proxy_refuses_and_a_healed_one_serves(broker: PrivateMosquitto) -> None:
    with proxy_to(broker.host, broker.port) as way:
        with socket.create_connection((way.host, way.port), timeout=5) as link:
            way.cut()
            link.settimeout(5)
            assert link.recv(1) == b""
        way.heal()
        publish = mosquitto(
            PUBLISH, broker, "gw-a", "-t", "bt/v1/00/gw-a/live", "-m", "x", "-q", "1"
        )
        publish[publish.index("-p") + 1] = str(way.port)
        subprocess.run(publish, check=True, timeout=10)
        assert way.accepted >= 1


def test_the_servers_do_not_run_as_root(
    broker: PrivateMosquitto, postgres: PrivatePostgres
) -> None:
    for pid in (broker.pid, postgres.pid):
        assert Path(f"/proc/{pid}").stat().st_uid != 0
