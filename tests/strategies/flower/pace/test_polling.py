"""A piece of a message that comes late is fetched soon after it came."""

import time

from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError, pull_objects

from strategies.flower.pace.polling import looking_often


def test_what_comes_half_a_second_late_is_looked_for_again_and_again_until_then():
    comes, asked = time.monotonic() + 0.5, []

    def fetch(object_id):
        asked.append(object_id)
        if time.monotonic() < comes:
            raise ObjectUnavailableError(object_id)
        return b"here"

    assert looking_often(pull_objects)(object_ids=["a"], pull_object_fn=fetch) == {"a": b"here"}
    assert len(asked) >= 3  # Flower's own second look would come after a whole second
