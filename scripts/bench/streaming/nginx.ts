import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { selfSignedCertificate } from '../../../server/test/certificate.ts'
import { until } from '../../demo/public-api.ts'
import { peers } from '../../peers/presence.ts'
import { drain } from './drain.ts'

export interface Nginx extends AsyncDisposable {
  /** Of the file `name`, over HTTP and over TLS. */
  url(name: string): string
  tlsUrl(name: string): string
  readonly pid: number
}

/** nginx as one process that sends the files of a folder by sendfile: what the kernel alone can do. Keeps what it needs in `home`. */
export async function startNginx({ home, folder }: { home: string; folder: string }): Promise<Nginx> {
  await mkdir(home, { recursive: true, mode: 0o700 })
  const [port, tlsPort] = [await freePort(), await freePort()]
  const { cert, key } = selfSignedCertificate()
  await writeFile(join(home, 'cert.pem'), cert)
  await writeFile(join(home, 'key.pem'), key, { mode: 0o600 })
  const kept = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${home}/${name};`).join(' ')
  await writeFile(join(home, 'nginx.conf'), `
daemon off; master_process off; pid ${home}/nginx.pid; error_log stderr error;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 512; }
http {
  access_log off; sendfile on; tcp_nopush on; ${kept}
  server {
    listen 127.0.0.1:${port};
    listen 127.0.0.1:${tlsPort} ssl;
    ssl_certificate ${home}/cert.pem; ssl_certificate_key ${home}/key.pem;
    root ${folder};
  }
}
`)
  const child = spawn(peers.nginx.ask[0], ['-p', home, '-c', join(home, 'nginx.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-2_000)))
  const ended = once(child, 'exit')
  const url = (name: string) => `http://127.0.0.1:${port}/${name}`
  await until('nginx', 10, async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${complaint}`)
    return drain(url('')).then(() => true, (error: Error) => (error.message.includes('ECONNREFUSED') ? undefined : true))
  })
  return {
    url,
    tlsUrl: (name) => `https://127.0.0.1:${tlsPort}/${name}`,
    pid: child.pid ?? 0,
    async [Symbol.asyncDispose]() {
      child.kill()
      await ended
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
