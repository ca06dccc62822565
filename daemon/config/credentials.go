package config

import "os"

// Credentials is the folder in which systemd puts a service's credentials (systemd.exec(5)); empty: there is none.
func Credentials() string { return os.Getenv("CREDENTIALS_DIRECTORY") }
