package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"net"
	"sync"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
)

type account struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Plugin   string `json:"plugin"`
}

// accounts is the auth server: a fixed set of users, and the cache that caching_sha2_password is named after. A user
// is in it from the first full authentication on.
type accounts struct {
	byName map[string]account
	mutex  sync.Mutex
	cached map[string][]byte
}

func newAccounts(list []account) *accounts {
	known := &accounts{byName: map[string]account{}, cached: map[string][]byte{}}
	for _, one := range list {
		known.byName[one.Name] = one
	}
	return known
}

func (a *accounts) AuthMethods() []mysql.AuthMethod {
	return []mysql.AuthMethod{
		sha2Method{mysql.NewSha2CachingAuthMethod(a, a, usersOf{a, mysql.CachingSha2Password}), a},
		mysql.NewMysqlNativeAuthMethod(a, usersOf{a, mysql.MysqlNativePassword}),
	}
}

func (a *accounts) DefaultAuthMethodDescription() mysql.AuthMethodDescription {
	return mysql.CachingSha2Password
}

// pluginOf says how a user is authenticated; a user that does not exist learns nothing from the default.
func (a *accounts) pluginOf(user string) mysql.AuthMethodDescription {
	if one, known := a.byName[user]; known {
		return mysql.AuthMethodDescription(one.Plugin)
	}
	return mysql.CachingSha2Password
}

type usersOf struct {
	accounts *accounts
	plugin   mysql.AuthMethodDescription
}

func (u usersOf) HandleUser(user string, _ net.Addr) bool {
	return u.accounts.pluginOf(user) == u.plugin
}

// sha2Method offers the library's caching_sha2_password without TLS too, where the cached half of it works.
type sha2Method struct {
	mysql.AuthMethod
	accounts *accounts
}

func (m sha2Method) HandleUser(_ *mysql.Conn, user string) bool {
	return m.accounts.pluginOf(user) == mysql.CachingSha2Password
}

// UserEntryWithHash is mysql_native_password.
func (a *accounts) UserEntryWithHash(_ []*x509.Certificate, salt []byte, user string, reply []byte, remote net.Addr) (mysql.Getter, error) {
	password := []byte(a.byName[user].Password)
	if len(password) == 0 && len(reply) == 0 {
		return identity(user, remote), nil
	}
	once := sha1.Sum(password)
	twice := sha1.Sum(once[:])
	if len(password) == 0 || !mysql.VerifyHashedMysqlNativePassword(reply, salt, twice[:]) {
		return nil, denied(user, remote, len(reply) > 0)
	}
	return identity(user, remote), nil
}

// UserEntryWithCacheHash is the fast path of caching_sha2_password.
func (a *accounts) UserEntryWithCacheHash(_ []*x509.Certificate, salt []byte, user string, reply []byte, remote net.Addr) (mysql.Getter, mysql.CacheState, error) {
	one, known := a.byName[user]
	if len(reply) == 0 || (len(reply) == 1 && reply[0] == 0) {
		if known && one.Password == "" {
			return identity(user, remote), mysql.AuthAccepted, nil
		}
		return nil, mysql.AuthRejected, denied(user, remote, false)
	}
	a.mutex.Lock()
	hash := a.cached[user]
	a.mutex.Unlock()
	if mysql.VerifyHashedCachingSha2Password(reply, salt, hash) {
		return identity(user, remote), mysql.AuthAccepted, nil
	}
	return nil, mysql.AuthNeedMoreData, nil
}

// UserEntryWithPassword is its slow path, which fills the cache.
func (a *accounts) UserEntryWithPassword(_ []*x509.Certificate, user string, password string, remote net.Addr) (mysql.Getter, error) {
	one, known := a.byName[user]
	if !known || one.Password != password {
		return nil, denied(user, remote, true)
	}
	once := sha256.Sum256([]byte(password))
	twice := sha256.Sum256(once[:])
	a.mutex.Lock()
	a.cached[user] = twice[:]
	a.mutex.Unlock()
	return identity(user, remote), nil
}

func identity(user string, remote net.Addr) mysql.Getter {
	return sql.MysqlConnectionUser{User: user, Host: hostOf(remote)}
}

func hostOf(remote net.Addr) string {
	host, _, _ := net.SplitHostPort(remote.String())
	return host
}

func denied(user string, remote net.Addr, withPassword bool) error {
	using := map[bool]string{true: "YES", false: "NO"}[withPassword]
	text := fmt.Sprintf("Access denied for user '%s'@'%s' (using password: %s)", user, hostOf(remote), using)
	return mysql.NewSQLError(mysql.ERAccessDeniedError, mysql.SSAccessDeniedError, "%s", text)
}
