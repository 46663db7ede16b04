// Package packages reads pure-Python wheels for the guest: it checks them, locks them by their hashes, and makes them a file
// system. No code of a package runs here, and nothing is unpacked to the disk.
//
// A folder has the wheels and their lock, packages.lock, which [Folder.Add] writes. [Folder.Load] takes from it what a policy
// names. Wheels and the lock are hostile input: sizes and counts are bounded before memory is taken, and the bytes whose
// hash was compared are the bytes that the guest gets.
package packages
