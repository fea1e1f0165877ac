#!/bin/sh
# Make the secrets of compose.yaml in deploy/secrets: random passwords for the database, the worker
# and the gateways named as arguments. What exists already stays, so that more gateways can be added.
# Only this folder's owner can enter it; the files in it are open, because each container reads its
# own under another account.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets/gateways
chmod 700 secrets

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || { cat >"$1.new" && chmod 444 "$1.new" && mv "$1.new" "$1"; }; }

password | keep secrets/postgres_password
for user in ingest notify serve; do password | keep "secrets/mqtt_$user"; done
printf 'postgresql://blocktwin:%s@db:5432/blocktwin' "$(cat secrets/postgres_password)" |
  keep secrets/database_dsn
for gateway in "$@"; do
  case $gateway in
    *[!a-z0-9._-]* | [!a-z0-9]* | '')
      echo "error: $gateway is no gateway id: small letters, digits, . _ -" >&2
      exit 2
      ;;
  esac
  password | keep "secrets/gateways/$gateway"
done

# The broker's file holds hashes; the program that makes them comes with mosquitto.
{
  for user in ingest notify serve; do printf '%s:%s\n' "$user" "$(cat "secrets/mqtt_$user")"; done
  for file in secrets/gateways/*; do
    [ ! -e "$file" ] || printf '%s:%s\n' "$(basename "$file")" "$(cat "$file")"
  done
} >secrets/mosquitto_passwd.new
if command -v mosquitto_passwd >/dev/null; then
  mosquitto_passwd -U secrets/mosquitto_passwd.new
else
  docker run --rm --user 0 --network none --volume "$PWD/secrets:/secrets" \
    eclipse-mosquitto:2.0.22 mosquitto_passwd -U /secrets/mosquitto_passwd.new
fi
chmod 444 secrets/mosquitto_passwd.new
mv -f secrets/mosquitto_passwd.new secrets/mosquitto_passwd
echo "deploy/secrets is complete; a gateway's password is deploy/secrets/gateways/ID"
