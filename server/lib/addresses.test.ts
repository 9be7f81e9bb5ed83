import { describe, expect, it, test } from 'vitest'
import { checkTrackerUrl, isPublicAddress, networkOf, usableTrackers } from './addresses.ts'

test.each([
  '8.8.8.8', '1.1.1.1', '100.63.255.255', '100.128.0.0', '172.15.255.255', '172.32.0.0', '192.0.1.0', '198.17.0.0', '198.20.0.0', '223.255.255.255',
  '2606:4700:4700::1111', '[2606:4700:4700::1111]', '2a00:1450:4001:831::200e', 'tracker.opentrackr.org', 'tracker.opentrackr.org.', 'bücher.de',
])('%s may be public', (host) => expect(isPublicAddress(host)).toBe(true))

describe('never public', () => {
  test.each([
    // loopback, private, link-local, CGNAT, multicast, broadcast, documentation, benchmarking
    '127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '100.127.255.255',
    '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.19.255.255', '198.51.100.7', '203.0.113.9', '192.88.99.1', '224.0.0.1', '239.255.255.250', '240.0.0.1', '255.255.255.255',
    // IPv4 in odd spellings
    '2130706433', '0x7f000001', '0x7f.1', '127.1', '127.0.1', '0177.0.0.1', '017700000001', '0x7F.0x0.0x0.0x1', '127.0.0.1.', '3232235777', '①②⑦.⓪.⓪.①', '１２７.0.0.1', '127。0。0。1',
    // IPv6
    '::', '::1', '[::1]', '0:0:0:0:0:0:0:1', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fec0::1', 'fc00::1', 'fd12:3456::1', 'ff02::1', 'ff0e::1', '100::1', '2001:db8::1', '3fff::1', '5f00::1', 'fd00:ec2::254',
    // IPv4 in IPv6: mapped, compatible, NAT64, its local form, 6to4, Teredo
    '::ffff:127.0.0.1', '[::ffff:7f00:1]', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::7f00:1', '64:ff9b::8.8.8.8', '64:ff9b:1::1', '2002:7f00:1::', '2002:c0a8:101::1', '2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2', '2001:2::1', '2001:10::1',
    // names
    'localhost', 'LOCALHOST', 'localhost.', 'foo.localhost', 'router', 'nas.local', 'metadata.google.internal', 'x.home.arpa', 'printer.lan', 'x.onion', '1.0.0.127.in-addr.arpa',
    // no host at all
    '', ' ', 'a b', 'a/b', 'user@8.8.8.8', '8.8.8.8#', '8.8.8.8?', '256.256.256.256', '1.2.3.4.5', '[::1', ':::', '8.8.8.8\\@127.0.0.1',
  ])('%j', (host) => expect(isPublicAddress(host)).toBe(false))
})

describe('tracker URLs', () => {
  const refusal = (url: string) => checkTrackerUrl(url, { allowPrivate: false })

  test.each([
    'http://tracker.opentrackr.org/announce', 'https://8.8.8.8:8443/announce?passkey=1', 'udp://tracker.opentrackr.org:1337/announce', 'udp://tracker.opentrackr.org:1337', 'UDP://8.8.8.8:1337', 'http://tracker.opentrackr.org:8080/announce',
  ])('%s is used', (url) => expect(refusal(url)).toBeNull())

  test.each([
    ['', 'tracker_malformed'],
    ['nonsense', 'tracker_malformed'],
    ['http://', 'tracker_malformed'],
    ['udp:foo', 'tracker_malformed'],
    [`http://a.example/${'x'.repeat(3000)}`, 'tracker_malformed'],
    ['wss://tracker.opentrackr.org', 'tracker_scheme'],
    ['file:///etc/passwd', 'tracker_scheme'],
    ['ftp://tracker.opentrackr.org/', 'tracker_scheme'],
    ['http://user:secret@tracker.opentrackr.org/', 'tracker_credentials'],
    ['udp://tracker.opentrackr.org/announce', 'tracker_port'],
    ['udp://tracker.opentrackr.org:0/announce', 'tracker_port'],
    ['udp://8.8.8.8:53', 'tracker_port'],
    ['http://8.8.8.8:25/announce', 'tracker_port'],
    ['http://db.example.com:5432/', 'tracker_port'],
    ['http://127.0.0.1/', 'tracker_private_address'],
    ['http://2130706433/', 'tracker_private_address'],
    ['http://[::ffff:127.0.0.1]/', 'tracker_private_address'],
    ['http://169.254.169.254/latest/meta-data/', 'tracker_private_address'],
    ['udp://0x7f.1:80/', 'tracker_private_address'],
    ['udp://[::1]:80', 'tracker_private_address'],
    ['udp://LOCALHOST:80', 'tracker_private_address'],
    ['udp://%6c%6fcalhost:80', 'tracker_private_address'],
    ['http://localhost:8080/', 'tracker_private_address'],
    ['https://intranet/', 'tracker_private_address'],
  ])('%s: %s', (url, code) => expect(refusal(url)).toBe(code))

  it('on loopback are used only where that is configured, and other faults stay faults', () => {
    expect(checkTrackerUrl('http://127.0.0.1:8000/announce', { allowPrivate: true })).toBeNull()
    expect(checkTrackerUrl('file:///x', { allowPrivate: true })).toBe('tracker_scheme')
    expect(checkTrackerUrl('http://127.0.0.1:6379/', { allowPrivate: true })).toBe('tracker_port')
    expect(checkTrackerUrl('http://127.0.0.1:6379/', { allowPrivate: true, allowServicePorts: true })).toBeNull()
  })

  it('are split into what is used, once each, and what is dropped', () => {
    const good = 'http://tracker.opentrackr.org/announce'
    expect(usableTrackers([good, 'http://10.0.0.1/', good], { allowPrivate: false })).toEqual({
      trackers: [good],
      dropped: [{ code: 'tracker_private_address', url: 'http://10.0.0.1/' }],
    })
  })
})

test.each([
  ['203.0.113.9', '203.0.113.9'],
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:DB8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['not an address', 'not an address'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
