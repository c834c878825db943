// A whole life with node's ldapjs; prints one JSON object of what it was told.
'use strict'
const fs = require('fs')
const ldap = require('ldapjs')
const told = JSON.parse(process.argv[2])
const { base, name } = told
const photo = fs.readFileSync(told.photo)
const said = {}

const client = ldap.createClient({ url: told.uri, timeout: 30000 })
client.on('error', error => { console.error(error); process.exit(1) })
const ask = (operation, ...given) => new Promise((resolve, reject) => {
  client[operation](...given, (error, answer) => error ? reject(error) : resolve(answer))
})
const code = (operation, ...given) => ask(operation, ...given).then(() => 0, error => error.code)
const search = (where, options, controls) => ask('search', where, options, controls || []).then(answer =>
  new Promise((resolve) => {
    const entries = []
    let pages = 0
    answer.on('searchEntry', entry => entries.push(entry))
    answer.on('page', () => { pages++ })
    answer.on('error', error => resolve({ code: error.code, entries, pages, matched: error.dn }))
    answer.on('end', end => resolve({ code: end.status, entries, pages, controls: end.controls }))
  }))
const change = (operation, modification) => new ldap.Change({ operation, modification })

async function live () {
  const encrypted = ldap.createClient({ url: told.uri, timeout: 30000 })
  await new Promise((resolve, reject) => encrypted.starttls({ ca: [fs.readFileSync(told.authority)], host: 'localhost' }, [],
    error => error ? reject(error) : resolve()))
  await new Promise((resolve, reject) => encrypted.bind(told.admin, told.password, error => error ? reject(error) : resolve()))
  said.encrypted = await new Promise((resolve, reject) => encrypted.exop('1.3.6.1.4.1.4203.1.11.3',
    (error, value) => error ? reject(error) : resolve(value)))
  encrypted.unbind()
  // The first request may be a search: ldapjs binds only when told to.
  said.unbound = (await search('', { scope: 'base' })).code
  said.wrong = await code('bind', told.admin, 'wrong')
  said.bound = await code('bind', told.admin, told.password)
  said.who = await new Promise((resolve, reject) => client.exop('1.3.6.1.4.1.4203.1.11.3',
    (error, value) => error ? reject(error) : resolve(value)))
  const dn = new ldap.DN([new ldap.RDN({ cn: name }), ...ldap.parseDN(base).rdns]).toString()
  const person = { objectClass: 'inetOrgPerson', cn: name, sn: 'Œuf', jpegPhoto: photo }
  said.added = await code('add', dn, person)
  said.twice = await code('add', dn, person)
  for (let number = 0; number < 12; number++) {
    const cn = 'P' + String(number).padStart(2, '0')
    await ask('add', `cn=${cn},${base}`, { objectClass: 'inetOrgPerson', cn, sn: 'abc'[number % 3] })
  }
  const found = await search(base, { scope: 'sub', filter: new ldap.EqualityFilter({ attribute: 'cn', value: name }) })
  said.found = found.entries.length
  said.photo = photo.equals(found.entries[0].attributes.find(one => one.type === 'jpegPhoto').buffers[0])
  said.limited = (await search(base, { scope: 'sub', filter: '(sn=*)', sizeLimit: 5 })).code
  said.missing = (await search(`ou=x,${base}`, { scope: 'sub' })).code
  const paged = await search(base, { scope: 'sub', filter: '(cn=P*)', attributes: ['cn'], paged: { pageSize: 5 } })
  said.paged = [paged.pages, paged.entries.length]
  const sort = new ldap.ServerSideSortingRequestControl({
    criticality: true,
    value: [{ attributeType: 'sn', reverseOrder: true }, { attributeType: 'cn' }]
  })
  const sorted = await search(base, { scope: 'sub', filter: '(cn=P*)', attributes: ['cn'] }, sort)
  said.names = sorted.entries.map(entry => entry.object.cn)
  const one = `cn=P00,${base}`
  said.changed = await code('modify', one, [
    change('add', { telephoneNumber: ['+33 3 53 01 00 01', '+33 3 53 01 00 02'] }),
    change('replace', { sn: 'Changé' }),
    change('delete', { telephoneNumber: ['+33 3 53 01 00 01'] })
  ])
  said.required = await code('modify', one, change('delete', { sn: [] }))
  said.absent = await code('modify', one, change('delete', { mail: ['x@exemple.fr'] }))
  said.same = await ask('compare', one, 'sn', 'CHANGÉ')
  said.other = await ask('compare', one, 'sn', 'x')
  said.renamed = await code('modifyDN', `cn=P01,${base}`, 'cn=Renommé')
  said.exists = await code('modifyDN', `cn=P02,${base}`, 'cn=P03')
  said.unit = await code('add', `ou=deux,${base}`, { objectClass: 'organizationalUnit' })
  said.moved = await code('modifyDN', `cn=P02,${base}`, `cn=P02,ou=deux,${base}`)
  said.leaf = await code('del', `ou=deux,${base}`)
  said.tree = await code('del', `ou=deux,${base}`, new ldap.Control({ type: '1.2.840.113556.1.4.805', criticality: true }))
  said.deleted = await code('del', `cn=P04,${base}`)
  said.gone = await code('del', `cn=P04,${base}`)
  // Abandon: the answer that was begun is not waited for.
  await new Promise((resolve, reject) => client.search(base, { scope: 'sub' }, (error, answer) => {
    if (error) return reject(error)
    answer.on('error', () => {})
    client.abandon(answer.messageID || 1, () => resolve())
    setTimeout(resolve, 200)
  }))
  said.after_abandon = (await search(base, { scope: 'base' })).entries.length
  client.unbind()
  // The timer of the request that was abandoned would keep the program for half a minute.
  process.stdout.write(JSON.stringify(said), () => process.exit(0))
}
live().catch(error => { console.error(error, said); process.exit(1) })
