#!/bin/sh
# Registers the namespace and waits until it can be used, which takes the server some seconds.
set -eu
attempts=60

retry() {
  until "$@"; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || exit 1
    sleep 1
  done
}

registered() {
  temporal operator namespace describe -n "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create -n "$TEMPORAL_NAMESPACE" --retention "$RETENTION"
}

# What operators find campaigns by. Workers register them too, where they may.
searchable() {
  for name in RegenteCompany RegenteCampaign RegenteState; do
    temporal operator search-attribute list -n "$TEMPORAL_NAMESPACE" | grep -qw "$name" ||
      temporal operator search-attribute create -n "$TEMPORAL_NAMESPACE" --name "$name" --type Keyword ||
      return 1
  done
}

usable() {
  temporal workflow list -n "$TEMPORAL_NAMESPACE" --limit 1 >/dev/null
}

retry registered
retry searchable
retry usable
echo "The namespace $TEMPORAL_NAMESPACE is ready."
