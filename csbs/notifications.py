# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Telling others what changed, over oslo.messaging.

Owns the way from the outbox to the message bus. A thread sends what was
committed as soon as it was; what it could not send stays in the outbox, and
a scheduler hands it out again. So every event is sent at least once, and a
bus that is away holds nobody up.
"""

from collections.abc import Sequence
import datetime
import queue
import threading
from typing import Any

from oslo_config import cfg
from oslo_log import log
import oslo_messaging as messaging

from csbs import plugins
from csbs.db import outbox
from csbs.db import session

LOG = log.getLogger(__name__)

#: letters that a process keeps in memory; the outbox has the others too
_ROOM = 1000
#: letters that are sent before they are struck out together
_AT_ONCE = 100
#: so long an event may wait before the log says that something is wrong
_PATIENCE = datetime.timedelta(minutes=5)


class Courier:
    """Sends letters on a thread of its own, which begins with the first."""

    def __init__(self, conf: cfg.ConfigOpts, db: session.Database) -> None:
        self._db = db
        self._failed = False
        transport = messaging.get_notification_transport(conf)
        self._notice_failures(transport)
        # One try: the outbox tries again.
        self._notifier = messaging.Notifier(
            transport, publisher_id=f'csbs.{conf.host}', retry=0
        )
        self._letters: queue.Queue[outbox.Letter] = queue.Queue(_ROOM)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def deliver(self, letters: Sequence[outbox.Letter]) -> None:
        """Send letters soon; return at once and never fail."""
        for letter in letters:
            try:
                self._letters.put_nowait(letter)
            except queue.Full:
                # They are in the outbox, where a scheduler finds them.
                break
        with self._lock:
            # Not before: a web server forks after it has built everything.
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name='courier', daemon=True
                )
                self._thread.start()

    def collect(self, now: datetime.datetime) -> None:
        """Send what other processes, or this one before, could not."""
        since = outbox.waiting_since(self._db)
        if since is not None and now - since > _PATIENCE:
            LOG.warning('Notifications wait to be sent since %s', since)
        if self._letters.empty():
            db = self._db
            self.deliver(db.run(lambda: outbox.take(db, now, _ROOM)))

    def _loop(self) -> None:
        while True:
            letters = [self._letters.get()]
            while len(letters) < _AT_ONCE:
                try:
                    letters.append(self._letters.get_nowait())
                except queue.Empty:
                    break
            try:
                self._send(letters)
            except Exception:
                # The database may be away: the letters are sent once more.
                LOG.exception('Notifications could not be struck out')

    def _send(self, letters: Sequence[outbox.Letter]) -> None:
        sent = []
        for letter in letters:
            self._failed = False
            event = letter.event
            payload = {
                **event.payload,
                'data': {**event.payload['data'], 'sequence': letter.sequence},
            }
            self._notifier.info({}, event.type, payload)
            if self._failed:
                self._give_up()
                break
            sent.append(letter.sequence)
        if sent:
            db = self._db
            db.run(lambda: outbox.strike_out(db, sent))

    def _give_up(self) -> None:
        """Leave everything to a scheduler, which looks again by and by."""
        while not self._letters.empty():
            self._letters.get_nowait()

    def _notice_failures(self, transport: Any) -> None:
        """Hear of what could not be sent: the notifier tells nobody."""
        send = transport._send_notification

        def witness(*args: Any, **kwargs: Any) -> Any:
            try:
                return send(*args, **kwargs)
            except Exception as error:
                LOG.warning('A notification waits in the outbox: %s', error)
                self._failed = True
                raise

        transport._send_notification = witness


def from_conf(conf: cfg.ConfigOpts, db: session.Database) -> Courier | None:
    """Return who sends notifications, None when nobody wants any.

    From now on the database's outbox is filled.

    :raises plugins.UnknownDriver: when the configuration names one
    """
    check_drivers(conf)
    if set(conf.oslo_messaging_notifications.driver) <= {'noop'}:
        return None
    courier = Courier(conf, db)
    db.watch(outbox.Outbox(courier.deliver))
    return courier


def check_drivers(conf: cfg.ConfigOpts) -> None:
    """See that the drivers are there; the notifier would do without.

    :raises plugins.UnknownDriver: when one is not
    """
    for name in conf.oslo_messaging_notifications.driver:
        plugins.load('oslo.messaging.notify.drivers', name)
