package config

import "os"

// Credentials is the folder in which systemd puts a service's credentials (systemd.exec(5)); empty: there is none.
func Credentials() string { return os.Getenv("CREDENTIALS_DIRECTORY") }

// Desktop says whether this process runs for a person, so that the person's keyring may be asked: a service has none, and
// asking for one could wait for somebody to unlock it.
func Desktop() bool { return !here().service() }
