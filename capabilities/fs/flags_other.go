//go:build !unix

package fs

// These systems have no such flags, and no files that need them in a folder.
const noWait, folderOnly = 0, 0
