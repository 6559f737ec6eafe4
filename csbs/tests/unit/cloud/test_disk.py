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


"""Tests of raw disk images: holes, copies, reading and writing."""

import errno
import os
import pathlib
import shutil
import subprocess
from unittest import mock

import fixtures

from csbs.cloud import disk
from csbs.tests import base
from csbs.tests.unit.cloud import fakes

MIB = fakes.MIB


class DiskTestCase(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tmp = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.disk = self.tmp / 'disk.raw'

    def allocated(self, path: pathlib.Path) -> int:
        return path.stat().st_blocks * 512


class CopyTest(DiskTestCase):
    def test_copy_is_equal_and_keeps_holes(self) -> None:
        fakes.make_disk(
            self.disk,
            64 * MIB,
            {0: b'start', 20 * MIB: b'x' * 100_000, 64 * MIB - 3: b'end'},
        )
        copy = self.tmp / 'copy.raw'
        self.assertEqual(64 * MIB, disk.copy(self.disk, copy))
        self.assertEqual(self.disk.read_bytes(), copy.read_bytes())
        self.assertLess(self.allocated(copy), MIB)

    def test_copy_without_help_of_the_kernel(self) -> None:
        fakes.make_disk(
            self.disk, 9 * MIB + 17, {MIB - 5: os.urandom(3 * MIB)}
        )
        copy = self.tmp / 'copy.raw'
        refused = OSError(errno.EXDEV, 'another file system')
        with mock.patch.object(os, 'copy_file_range', side_effect=refused):
            disk.copy(self.disk, copy)
        self.assertEqual(self.disk.read_bytes(), copy.read_bytes())

    def test_copy_of_nothing_but_a_hole(self) -> None:
        disk.create(self.disk, 1 << 40)
        copy = self.tmp / 'copy.raw'
        self.assertEqual(1 << 40, disk.copy(self.disk, copy))
        self.assertEqual(1 << 40, copy.stat().st_size)
        self.assertLess(self.allocated(copy), MIB)

    def test_copy_never_replaces(self) -> None:
        fakes.make_disk(self.disk, MIB, {})
        self.assertRaises(FileExistsError, disk.copy, self.disk, self.disk)

    def test_copy_refuses_early_when_there_is_no_room(self) -> None:
        fakes.make_disk(self.disk, MIB, {0: b'x' * MIB})
        none = mock.Mock(f_bavail=1, f_frsize=4096)
        with (
            mock.patch.object(os, 'fstatvfs', return_value=none),
            mock.patch.object(disk, '_clone', return_value=False),
        ):
            error = self.assertRaises(
                OSError, disk.copy, self.disk, self.tmp / 'copy.raw'
            )
        self.assertEqual(errno.ENOSPC, error.errno)


class ReaderTest(DiskTestCase):
    def test_extents_cover_all_data(self) -> None:
        fakes.make_disk(
            self.disk, 64 * MIB, {10 * MIB: b'a', 30 * MIB: b'b' * MIB}
        )
        content = self.disk.read_bytes()
        with disk.reader(self.disk) as reader:
            self.assertEqual(64 * MIB, reader.size)
            extents = list(reader.extents())
        end = 0
        for offset, length in extents:
            self.assertGreaterEqual(offset, end)
            self.assertEqual(b'', content[end:offset].strip(b'\0'))
            end = offset + length
        self.assertEqual(b'', content[end:].strip(b'\0'))
        self.assertLess(sum(length for _, length in extents), 3 * MIB)

    def test_extents_of_an_empty_and_of_a_full_disk(self) -> None:
        disk.create(self.disk, MIB)
        with disk.reader(self.disk) as reader:
            self.assertEqual([], list(reader.extents()))
        self.disk.write_bytes(b'x' * 5000)
        with disk.reader(self.disk) as reader:
            self.assertEqual([(0, 5000)], list(reader.extents()))

    def test_read_into_fills_the_whole_buffer(self) -> None:
        content = os.urandom(MIB)
        self.disk.write_bytes(content)
        buffer = bytearray(1000)
        with disk.reader(self.disk) as reader:
            reader.read_into(4321, memoryview(buffer))
        self.assertEqual(content[4321:5321], bytes(buffer))

    def test_read_into_past_the_end_fails(self) -> None:
        self.disk.write_bytes(b'x' * 5000)
        with disk.reader(self.disk) as reader:
            error = self.assertRaises(
                OSError, reader.read_into, 4500, memoryview(bytearray(1000))
            )
        self.assertEqual(errno.EIO, error.errno)


class WriterTest(DiskTestCase):
    def test_write_zero_and_flush(self) -> None:
        content = bytearray(os.urandom(4 * MIB))
        self.disk.write_bytes(content)
        with disk.writer(self.disk) as writer:
            self.assertFalse(writer.blank)
            writer.write(1000, memoryview(b'new' * 100))
            writer.zero(MIB + 1, 2 * MIB)
            writer.flush()
            seen = bytearray(300)
            writer.read_into(1000, memoryview(seen))
        self.assertEqual(b'new' * 100, bytes(seen))
        content[1000:1300] = b'new' * 100
        content[MIB + 1 : 3 * MIB + 1] = bytes(2 * MIB)
        self.assertEqual(bytes(content), self.disk.read_bytes())
        self.assertLess(self.allocated(self.disk), 3 * MIB)

    def test_zero_where_no_hole_can_be_punched(self) -> None:
        self.disk.write_bytes(b'x' * (4 * MIB))
        with (
            mock.patch.object(disk, '_fallocate', None),
            disk.writer(self.disk) as writer,
        ):
            writer.zero(5, 3 * MIB)
        self.assertEqual(
            b'x' * 5 + bytes(3 * MIB) + b'x' * (MIB - 5),
            self.disk.read_bytes(),
        )

    def test_much_with_and_without_help_of_the_kernel(self) -> None:
        data = os.urandom(MIB)
        for function in (disk._sync_file_range, None):
            path = self.tmp / str(function is None)
            disk.create(path, 40 * MIB)
            with (
                mock.patch.object(disk, '_sync_file_range', function),
                disk.writer(path) as writer,
            ):
                for place in range(0, 40 * MIB, MIB):
                    writer.write(place, memoryview(data))
                writer.flush()
            self.assertEqual(data * 40, path.read_bytes())

    def test_blank_until_written(self) -> None:
        disk.create(self.disk, MIB)
        with disk.writer(self.disk) as writer:
            self.assertTrue(writer.blank)
            writer.write(MIB - 1, memoryview(b'x'))
            self.assertFalse(writer.blank)

    def test_a_disk_never_grows(self) -> None:
        disk.create(self.disk, MIB)
        with disk.writer(self.disk) as writer:
            self.assertRaises(
                OSError, writer.write, MIB - 1, memoryview(b'xy')
            )
            self.assertRaises(OSError, writer.zero, MIB - 1, 2)
        self.assertEqual(bytes(MIB), self.disk.read_bytes())


class BlockDeviceTest(DiskTestCase):
    """A block device of the kernel's, where one may be had."""

    def setUp(self) -> None:
        super().setUp()
        program = shutil.which('losetup', path=os.defpath + ':/usr/sbin')
        if program is None:
            self.skipTest('there is no losetup')
        disk.create(self.disk, 8 * MIB)
        found = subprocess.run(
            [program, '--find', '--show', self.disk],
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )
        if found.returncode:
            self.skipTest(f'no block device can be had: {found.stderr}')
        self.device = pathlib.Path(found.stdout.strip())
        self.addCleanup(
            subprocess.run,
            [program, '--detach', self.device],
            check=True,
            timeout=30,
        )

    def test_reading(self) -> None:
        with disk.reader(self.device) as opened:
            self.assertEqual(8 * MIB, opened.size)
            self.assertEqual([(0, 8 * MIB)], list(opened.extents()))

    def test_writing(self) -> None:
        data = os.urandom(MIB)
        with disk.writer(self.device) as opened:
            self.assertFalse(opened.blank)
            opened.write(MIB, memoryview(data))
            opened.write(3 * MIB, memoryview(data))
            opened.zero(3 * MIB, MIB)
            opened.flush()
            error = self.assertRaises(
                OSError, opened.write, 8 * MIB, memoryview(data)
            )
            self.assertEqual(errno.ENOSPC, error.errno)
        whole = self.device.read_bytes()
        self.assertEqual(bytes(MIB) + data + bytes(6 * MIB), whole)
