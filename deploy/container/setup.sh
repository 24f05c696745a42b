#!/bin/sh
# Certificates for one broker, one station and one node, each readable by the user of its container only.
# More nodes: edge pki issue node NAME --dir site, and give the folder to the user 10001.
set -eu
cd "${SITE:-/site}"
if [ ! -e ca.key ]; then edge pki init --dir . ; fi
[ -d broker ] || edge pki issue broker broker --host broker --host localhost --host 127.0.0.1 --dir .
[ -d station ] || edge pki issue station station --dir .
[ -d node-1 ] || edge pki issue node node-1 --dir .
[ -e station/token ] || python3 -c 'import secrets; print(secrets.token_hex(24))' > station/token
chmod 600 station/token
chown -R 10001:10001 station node-1
chown -R 1883:1883 broker /var/lib/mosquitto
echo "site/ is ready; keep site/ca.key somewhere else, it makes certificates for anybody"
