// A MySQL server for tests: the in-memory engine of go-mysql-server behind accounts of our own, because the engine's own
// accounts never cache caching_sha2_password. It is configured by one JSON argument and prints a line when it listens.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/sirupsen/logrus"
)

type settings struct {
	Port      int       `json:"port"`
	Databases []string  `json:"databases"`
	Users     []account `json:"users"`
	CertFile  string    `json:"certFile"`
	KeyFile   string    `json:"keyFile"`
}

func main() {
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(argument string) error {
	var config settings
	if err := json.Unmarshal([]byte(argument), &config); err != nil {
		return err
	}
	logrus.SetOutput(io.Discard)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", config.Port))
	if err != nil {
		return err
	}
	certificates, err := tlsOf(config)
	if err != nil {
		return err
	}
	provider := memory.NewDBProvider(databases(config.Databases)...)
	options := server.Config{
		Listener:  listener,
		Version:   "8.0.33-test",
		TLSConfig: certificates,
		ProtocolListenerFactory: func(cfg server.Config, listening mysql.ListenerConfig, events server.ServerEventListener) (server.ProtocolListener, error) {
			listening.AuthServer = newAccounts(config.Users)
			return server.MySQLProtocolListenerFactory(cfg, listening, events)
		},
	}
	engine := sqle.NewDefault(provider)
	running, err := server.NewServer(options, engine, sql.NewContext, sessions(provider), nil)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	return running.Start()
}

func tlsOf(config settings) (*tls.Config, error) {
	if config.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(config.CertFile, config.KeyFile)
	return &tls.Config{Certificates: []tls.Certificate{pair}}, err
}

func databases(names []string) []sql.Database {
	made := make([]sql.Database, 0, len(names))
	for _, name := range names {
		database := memory.NewDatabase(name)
		database.BaseDatabase.EnablePrimaryKeyIndexes()
		made = append(made, database)
	}
	return made
}

func sessions(provider *memory.DbProvider) server.SessionBuilder {
	build := memory.NewSessionBuilder(provider)
	return func(ctx context.Context, conn *mysql.Conn, address string) (sql.Session, error) {
		return build(ctx, conn, address)
	}
}
