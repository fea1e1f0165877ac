"""The script that is written on the first day: paho, on_message, one INSERT and one commit each.

Arguments: broker's port, password of the user ``ingest``, topic, DSN.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import paho.mqtt.client as paho
import psycopg
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    port, password, topic, dsn = sys.argv[1:]
    conn = psycopg.connect(dsn)
    known = conn.execute("SELECT device_id || ':' || quantity, series_id FROM series").fetchall()
    series = {str(name): int(number) for name, number in known}
    conn.commit()

    def on_connect(client: paho.Client, *_: Any) -> None:
        client.subscribe(topic, qos=1)

    def on_subscribe(*_: Any) -> None:
        print("subscribed", flush=True)

    def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        for record in json.loads(message.payload):
            conn.execute(
                "INSERT INTO reading (series_id, observed_at, received_at, value, quality)"
                " VALUES (%s, to_timestamp(%s), now(), %s, 0)",
                (series[record["n"]], record["t"], record["v"]),
            )
        conn.commit()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="naive", protocol=paho.MQTTv5)
    client.username_pw_set("ingest", password)
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect("127.0.0.1", int(port))
    client.loop_forever()


if __name__ == "__main__":
    main()
