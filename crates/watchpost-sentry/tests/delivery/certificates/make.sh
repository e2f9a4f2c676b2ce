#!/bin/sh
# Makes the fixtures of tls.rs: an authority, a certificate of its for localhost, and a stranger that vouches for neither.
set -eu
cd "$(dirname "$0")"
authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$2" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -keyout "$1.key" -out "$1.pem"
}
authority authority "Watchpost test authority"
authority stranger "Watchpost test stranger"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout localhost.key -out localhost.csr
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n' > localhost.ext
openssl x509 -req -in localhost.csr -CA authority.pem -CAkey authority.key -CAcreateserial -days 36499 \
    -extfile localhost.ext -out localhost.pem
rm -f authority.key stranger.key localhost.csr localhost.ext authority.srl
