#!/bin/bash
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

# Builds the guest's disk: the kernel of Debian for clouds, busybox as its
# only program, and guest/init, which says on the console what it does.

# Where the parts are put together.
guest_folder() {
    echo "$LAB/image/build"
}

# The kernel's package is taken apart, not installed.
fetch_kernel() {
    local build package
    build=$(guest_folder)
    package=$(apt-cache depends linux-image-cloud-amd64 \
        | sed -n 's/.*Depends: \(linux-image[^ ]*\)$/\1/p' | head -n 1)
    [ -n "$package" ] || die "apt knows no linux-image-cloud-amd64"
    (cd "$build" && logged guest timeout 600 apt-get download "$package") \
        || exit 1
    logged guest dpkg-deb -x "$build"/linux-image-*.deb "$build/kernel"
    cp "$build"/kernel/boot/vmlinuz-* "$build/vmlinuz"
}

# The modules that the guest loads, each after those that it needs.
copy_modules() {
    local root=$1 kernel version module file
    kernel=$(guest_folder)/kernel
    version=$(ls "$kernel/lib/modules")
    logged guest depmod -b "$kernel" "$version"
    for module in virtio_pci virtio_blk virtio_scsi sd_mod virtio_net \
            virtio_rng ext4 evdev button af_packet; do
        modprobe -d "$kernel" -S "$version" --show-depends $module \
            2>>"$LOG/guest.log" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++' > "$(guest_folder)/modules"
    while read -r file; do
        cp "$file" "$root/lib/modules/"
        echo "/lib/modules/${file##*/}" >> "$root/etc/modules"
    done < "$(guest_folder)/modules"
}

# busybox-static has no mke2fs, so the real one comes with its libraries.
copy_mke2fs() {
    local root=$1 library
    cp /sbin/mke2fs "$root/bin/mke2fs"
    for library in $(ldd /sbin/mke2fs | grep -o '/[^ ]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
}

make_initrd() {
    local build root
    build=$(guest_folder)
    root=$build/root
    mkdir -p "$root"/{bin,proc,sys,dev,mnt,lib/modules,etc/acpi/PWRF}
    cp /bin/busybox "$root/bin/busybox"
    copy_mke2fs "$root"
    copy_modules "$root"
    install -m 755 "$TOOLS/guest/init" "$root/init"
    install -m 755 "$TOOLS/guest/powerbutton" \
        "$root/etc/acpi/PWRF/00000080"
    (cd "$root" && find . | cpio -o -H newc --quiet | gzip -6) \
        > "$build/initrd" || die "the guest's initrd could not be made" guest
}

# One partition at 1 MiB, started by extlinux.
make_disk() {
    local build disk device mount
    build=$(guest_folder)
    disk=$build/disk.raw
    mount=$build/mount
    truncate -s 96M "$disk"
    echo '2048,,83,*' | sfdisk -q "$disk" >> "$LOG/guest.log" 2>&1 \
        || die "the guest's disk could not be partitioned" guest
    logged guest dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" \
        conv=notrunc bs=440 count=1
    mkdir -p "$mount"
    device=$(losetup -f --show -o 1048576 "$disk") \
        || die "there is no loop device for the guest's disk"
    (
        trap 'umount "$mount" 2>/dev/null; losetup -d "$device"' EXIT
        logged guest mkfs.ext4 -q -F -L LABROOT \
            -O ^64bit,^metadata_csum,^has_journal "$device"
        logged guest mount "$device" "$mount"
        cp "$build/vmlinuz" "$build/initrd" "$mount/"
        cp "$TOOLS/etc/extlinux.conf" "$mount/"
        logged guest extlinux --install "$mount"
        sync
    ) || exit 1
}

build_guest() {
    local build
    build=$(guest_folder)
    say "building the guest's disk"
    rm -rf "$build"
    mkdir -p "$build"
    fetch_kernel
    make_initrd
    make_disk
    mv "$build/disk.raw" "$LAB/image/lab-tiny.raw"
    rm -rf "$build"
}
