export const help = `gateway: one resolver, every protocol

Usage
  gateway [options]           run
  gateway check [options]     look for mistakes in the configuration, and bind nothing

Options
  -c, --config FILE           default: gateway.config.{ts,js,mjs,json,yaml,yml} in the working directory,
                              else the environment, else the embedded default
  -w, --workers N             processes that share the listeners (default: one per CPU)
      --http-port N           port of HTTP       (HTTP_PORT, 8080)
      --postgres-port N       port of PostgreSQL (TCP_POSTGRES_PORT, 15432; from the environment 5432)
      --mysql-port N          port of MySQL      (TCP_MYSQL_PORT, 13306; from the environment 3306)
      --mongodb-port N        port of MongoDB    (TCP_MONGODB_PORT, 27018; from the environment none)
      --smtp-port N           port of SMTP       (SMTP_PORT, 8025; from the environment 25)
      --admin-port N          port of /healthz, /readyz, /metrics, /stats, /mail (ADMIN_PORT, 9901)
      --log-level LEVEL       fatal, error, warn, info, debug, trace or silent (LOG_LEVEL, info)
  -h, --help
  -v, --version

The ports and the log level are for the embedded default and the environment; a config file has its own.

Signals
  SIGTERM, SIGINT             drain, then exit 0; a second one ends everything at once
  SIGHUP                      read the configuration again without losing a connection
`
