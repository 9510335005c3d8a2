#!/bin/sh
# A study of three sites in containers of one machine, with made-up data: rehearsal.sh FOLDER, from the repository.
#
# FOLDER is new. The images are those of Containerfile; made-up data come from this repository's `tessera-simulate`.
# ENGINE is docker or podman; RUN_OPTIONS are added to every `run`. Where the engine has no network of its own,
# NETWORK=host lets the containers use the machine's.
set -eu
folder=${1:?a new folder} ENGINE=${ENGINE:-podman} NETWORK=${NETWORK:-tessera-rehearsal}
mkdir "$folder"
folder=$(cd "$folder" && pwd)
here=$(cd "$(dirname "$0")/../.." && pwd)
sites="st_anna stolp nordheim"
user=$(id -u):$(id -g)
case $NETWORK in host) name=localhost ;; *) name=tessera-coordinator ;; esac

in_container() { # NAME IMAGE OPTIONS... -- COMMAND...
    container=$1 image=$2
    shift 2
    options=
    while [ "$1" != -- ]; do options="$options $1" && shift; done
    shift
    # shellcheck disable=SC2086
    "$ENGINE" run --name "tessera-$container" --network "$NETWORK" --user "$user" --read-only --cap-drop ALL \
        --security-opt no-new-privileges --tmpfs /tmp:size=1g,mode=1777 --pids-limit 512 --ulimit nofile=8192 \
        --ulimit core=0 ${RUN_OPTIONS:-} $options "localhost/tessera-$image" "$@"
}
once() { # the same, to its end
    container=$1 && shift
    in_container "$container" "$@"
    "$ENGINE" rm "tessera-$container" >/dev/null
}
clear_away() {
    for container in $sites coordinator once; do
        "$ENGINE" rm --force "tessera-$container" >/dev/null 2>&1 || true
    done
    [ "$NETWORK" = host ] || "$ENGINE" network rm "$NETWORK" >/dev/null 2>&1 || true
}
clear_away
trap clear_away EXIT
[ "$NETWORK" = host ] || "$ENGINE" network create --internal "$NETWORK" >/dev/null

echo "1/5 made-up data of three sites"
"$here/.venv/bin/tessera-simulate" sites $sites --out "$folder" --rounds 2
mkdir "$folder/study"

echo "2/5 the coordinator makes the study"
study="--volume $folder/study:/study"
once once coordinator $study -- init /study --san "$name" --gateway builtin
cp "$folder/federation.yaml" "$folder"/*_features.json "$folder/study/"
once once coordinator $study -- hand-out /study

echo "3/5 the sites get ready, and are enrolled"
port=9094
for site in $sites; do
    cp "$folder"/study/for-sites/* "$folder/$site/"
    site_folder="--volume $folder/$site:/site"
    once once site $site_folder -- init /site --name "$site" --address "$name:9443"
    sed -i "s/local_port: 9094/local_port: $port/" "$folder/$site/site.yaml" && port=$((port + 1))
    once once site $site_folder -- trust /site --from-checkout
    once once coordinator $study --volume "$folder/$site/.tessera/node.pub:/node.pub:ro" -- enrol /study "$site" --key /node.pub
done

echo "4/5 coordinator and sites run"
in_container coordinator coordinator --detach --init $study -- start /study
for site in $sites; do
    in_container "$site" site --detach --init --volume "$folder/$site:/site:ro" \
        --volume "$folder/$site/.tessera:/site/.tessera" -- join /site
done

echo "5/5 the study"
until "$ENGINE" logs tessera-coordinator 2>&1 | grep -q "sites enrolled"; do
    [ "$("$ENGINE" inspect --format '{{.State.Running}}' tessera-coordinator)" = true ] ||
        { "$ENGINE" logs tessera-coordinator && exit 1; }
    sleep 1
done
"$ENGINE" exec tessera-coordinator tessera-server run /study
"$ENGINE" exec tessera-coordinator tessera-server verify /study/run/release --key /study/keys/release.pub
