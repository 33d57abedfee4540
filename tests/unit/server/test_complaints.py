"""What goes wrong often is said seldom."""

import logging

from update_server.complaints import COMPLAIN_S, Complaints


def test_what_goes_wrong_again_is_counted_and_each_kind_is_said(caplog):
    now = [100.0]
    complaints = Complaints(logging.getLogger("camward.server"), lambda: now[0])
    for _ in range(50):
        complaints.say("failed", "No connection.")
        complaints.say("lost", "Lost.")
        now[0] += COMPLAIN_S / 60
    assert caplog.messages == ["No connection.", "Lost."]
    now[0] += COMPLAIN_S
    complaints.say("failed", "No connection: another reason.")
    assert caplog.messages[2:] == ["No connection: another reason. (49 times more since the last such line)"]
    now[0] += COMPLAIN_S
    complaints.say("failed", "No connection.")
    assert caplog.messages[3:] == ["No connection."]
