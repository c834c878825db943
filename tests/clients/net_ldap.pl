# A whole life with Perl's Net::LDAP; prints one JSON object of what it was told.
use strict; use warnings; use utf8;
use JSON::PP; use Encode qw(decode encode);
use Net::LDAP; use Net::LDAP::Entry; use Net::LDAP::LDIF; use Net::LDAP::Util qw(escape_dn_value escape_filter_value);
use Net::LDAP::Constant qw(LDAP_CONTROL_PAGED LDAP_CONTROL_PREREAD LDAP_CONTROL_POSTREAD LDAP_CONTROL_SORTRESULT);
use Net::LDAP::Control::Paged; use Net::LDAP::Control::Sort; use Net::LDAP::Control::Assertion;
use Net::LDAP::Control::PreRead; use Net::LDAP::Control::PostRead; use Net::LDAP::Control::NoOp;
use Net::LDAP::Control::TreeDelete; use Net::LDAP::Control::ManageDsaIT;
use Net::LDAP::Extension::WhoAmI;

my $told = decode_json($ARGV[0]);
my $base = $told->{base};
my $name = $told->{name};
open(my $file, '<:raw', $told->{photo}) or die $!; my $photo = do { local $/; <$file> }; close $file;
my %said;

my $encrypted = Net::LDAP->new('localhost', port => $told->{port}, timeout => 30) or die "$@";
$said{tls} = $encrypted->start_tls(verify => 'require', cafile => $told->{authority})->code;
$encrypted->bind($told->{admin}, password => $told->{password});
$said{encrypted} = $encrypted->who_am_i->response;
$encrypted->unbind;

my $ldap = Net::LDAP->new('127.0.0.1', port => $told->{port}, timeout => 30, raw => qr/(?i:^jpegPhoto|;binary)/) or die "$@";
$said{wrong} = $ldap->bind($told->{admin}, password => 'wrong')->code;
$said{bound} = $ldap->bind($told->{admin}, password => $told->{password})->code;
$said{who} = $ldap->who_am_i->response;
my $dse = $ldap->root_dse;
$said{paged} = $dse->supported_control(LDAP_CONTROL_PAGED) ? 1 : 0;
my $schema = $ldap->schema or die 'no schema';
$said{must} = [sort map { $_->{name} } $schema->must('inetOrgPerson')];
$said{equality} = $schema->attribute('uid')->{equality};

my $dn = 'cn=' . escape_dn_value($name) . ",$base";
my @person = (objectClass => 'inetOrgPerson', cn => $name, sn => 'Œuf', jpegPhoto => $photo);
$said{added} = $ldap->add($dn, attrs => [@person])->code;
$said{twice} = $ldap->add($dn, attrs => [@person])->code;
for my $number (0 .. 11) {
    my $entry = Net::LDAP::Entry->new(sprintf('cn=P%02d,%s', $number, $base));
    $entry->add(objectClass => 'inetOrgPerson', cn => sprintf('P%02d', $number), sn => (qw(a b c))[$number % 3]);
    my $done = $entry->update($ldap); die $done->error if $done->code;
}
my $found = $ldap->search(base => $base, filter => '(cn=' . escape_filter_value($name) . ')');
$said{found} = $found->count;
$said{photo} = $found->entry(0)->get_value('jpegPhoto') eq $photo ? 1 : 0;
$said{limited} = $ldap->search(base => $base, filter => '(sn=*)', sizelimit => 5)->code;
my $missing = $ldap->search(base => "ou=x,$base", filter => '(sn=*)');
$said{missing} = [$missing->code, $missing->dn];

my $page = Net::LDAP::Control::Paged->new(size => 5, critical => 1);
my $sort = Net::LDAP::Control::Sort->new(order => '-sn cn', critical => 1);
my ($pages, @names) = (0);
while (1) {
    my $found = $ldap->search(base => $base, filter => '(cn=P*)', attrs => ['cn'], control => [$page, $sort]);
    die $found->error if $found->code;
    push @names, map { $_->get_value('cn') } $found->entries; $pages++;
    my ($sorted) = $found->control(LDAP_CONTROL_SORTRESULT) or die 'not sorted';
    die 'sort' if $sorted->result;
    my ($answer) = $found->control(LDAP_CONTROL_PAGED) or die 'no control';
    my $cookie = $answer->cookie; last unless defined $cookie && length $cookie;
    $page->cookie($cookie);
}
$said{pages} = $pages; $said{names} = \@names;

my $changed = $ldap->modify("cn=P00,$base", changes => [
    add => [telephoneNumber => ['+33 3 53 01 00 01', '+33 3 53 01 00 02']],
    replace => [sn => 'Changé'], delete => [telephoneNumber => ['+33 3 53 01 00 01']],
]);
$said{changed} = $changed->code;
$said{required} = $ldap->modify("cn=P00,$base", delete => ['sn'])->code;
$said{absent} = $ldap->modify("cn=P00,$base", delete => {mail => 'x@exemple.fr'})->code;
my $read = $ldap->modify("cn=P00,$base", replace => {title => 'Docteure'}, control => [
    Net::LDAP::Control::Assertion->new(assertion => '(sn=changé)', critical => 1),
    Net::LDAP::Control::PreRead->new(attrs => ['title', 'sn'], critical => 1),
    Net::LDAP::Control::PostRead->new(attrs => ['title'], critical => 1),
]);
$said{asserted} = $read->code;
my ($before) = $read->control(LDAP_CONTROL_PREREAD); my ($after) = $read->control(LDAP_CONTROL_POSTREAD);
$said{before} = $before->entry->get_value('title') // ''; $said{after} = $after->entry->get_value('title');
$said{unlike} = $ldap->modify("cn=P00,$base", replace => {title => 'x'},
    control => [Net::LDAP::Control::Assertion->new(assertion => '(sn=autre)', critical => 1)])->code;
my @unlike = (control => [Net::LDAP::Control::Assertion->new(assertion => '(sn=autre)', critical => 1)]);
$said{unread} = [
    $ldap->search(base => "cn=P00,$base", scope => 'base', filter => '(cn=*)', @unlike)->code,
    $ldap->compare("cn=P00,$base", attr => 'sn', value => 'CHANGÉ', @unlike)->code,
];
$said{nothing} = $ldap->delete("cn=P00,$base", control => [Net::LDAP::Control::NoOp->new(critical => 1)])->code;
$said{same} = $ldap->compare("cn=P00,$base", attr => 'sn', value => 'CHANGÉ')->code;
$said{other} = $ldap->compare("cn=P00,$base", attr => 'sn', value => 'x')->code;
$said{renamed} = $ldap->moddn("cn=P01,$base", newrdn => 'cn=Renommé', deleteoldrdn => 1)->code;
$said{exists} = $ldap->moddn("cn=P02,$base", newrdn => 'cn=P03', deleteoldrdn => 1)->code;
$said{unit} = $ldap->add("ou=deux,$base", attrs => [objectClass => 'organizationalUnit'])->code;
$said{moved} = $ldap->moddn("cn=P02,$base", newrdn => 'cn=P02', newsuperior => "ou=deux,$base")->code;
$said{leaf} = $ldap->delete("ou=deux,$base")->code;
$said{tree} = $ldap->delete("ou=deux,$base", control => [Net::LDAP::Control::TreeDelete->new(critical => 1)])->code;
$said{deleted} = $ldap->delete("cn=P04,$base")->code;
$said{gone} = $ldap->delete("cn=P04,$base")->code;

my $asynchronous = Net::LDAP->new('127.0.0.1', port => $told->{port}, async => 1) or die "$@";
$asynchronous->bind($told->{admin}, password => $told->{password})->sync;
my $searching = $asynchronous->search(base => $base, filter => '(objectClass=*)');
$asynchronous->abandon($searching->mesg_id);
$said{after_abandon} = $asynchronous->search(base => $base, scope => 'base', filter => '(objectClass=*)')->count;
$ldap->unbind; $asynchronous->unbind;
binmode STDOUT; print JSON::PP->new->utf8->canonical->encode(\%said);
